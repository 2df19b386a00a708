"""OpenAI Embeddings (``POST /v1/embeddings``), as floats or base64."""

from __future__ import annotations

import base64
import struct
from hashlib import blake2b
from typing import Any

from spanledger_collector.demo.chat_completions import error
from spanledger_collector.demo.exchange import (
    Answer,
    Api,
    Json,
    Reply,
    Request,
    Segment,
    compact_json,
    required,
)
from spanledger_collector.demo.identifiers import Identifiers
from spanledger_collector.demo.usage import BYTES_PER_TOKEN, Usage

DEFAULT_DIMENSIONS = 1536


def read(body: Json) -> Request:
    """The request of a body whose input is a text, texts, a token array or token arrays."""
    given = body.get("input")
    inputs = [given] if isinstance(given, str) else required(body, "input", list)
    if inputs and isinstance(inputs[0], int):
        inputs = [inputs]
    segments = tuple(Segment("user", _text(item)) for item in inputs)
    return Request("openai", "embeddings", required(body, "model", str), False, segments, body)


def answer(request: Request, _reply: Reply, usage: Usage, _identifiers: Identifiers) -> Answer:
    """A list of vectors that follow from the texts. The API gives an embedding no id."""
    dimensions = int(request.body.get("dimensions") or DEFAULT_DIMENSIONS)
    as_base64 = request.body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(segment.text, dimensions, as_base64)}
        for index, segment in enumerate(request.segments)
    ]
    usage_json = {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens}
    body = {"object": "list", "data": data, "model": request.model, "usage": usage_json}
    return Answer("", (compact_json(body).encode(),), usage_frame=0)


def _text(item: Any) -> str:
    return item if isinstance(item, str) else "\0" * BYTES_PER_TOKEN * len(item)


def _vector(text: str, dimensions: int, as_base64: bool) -> list[float] | str:
    seed = blake2b(text.encode(), digest_size=32).digest()
    floats = [(byte - 127.5) / 4096 for byte in seed] * (dimensions // len(seed) + 1)
    if as_base64:
        return base64.b64encode(struct.pack(f"<{dimensions}f", *floats[:dimensions])).decode()
    return floats[:dimensions]


EMBEDDINGS = Api("openai", "embeddings", read, answer, error)
