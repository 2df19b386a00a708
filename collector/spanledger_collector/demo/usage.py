"""What a call costs in tokens: four bytes a token, and the two vendors' rules of prompt caching.

OpenAI caches by itself: a prefix that was seen before is read from the cache in steps of 128 tokens, from
1024 tokens on (platform.openai.com, "Prompt caching"). Anthropic caches where ``cache_control`` asks for it:
the prompt up to the last breakpoint is written, the longest part of it that an earlier breakpoint wrote is
read (docs.claude.com, "Prompt caching"). Entries of the stand-in do not expire.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from hashlib import blake2b

from spanledger_collector.demo.exchange import Reply, Request
from spanledger_collector.errors import BadInputError

BYTES_PER_TOKEN = 4
MINIMUM_CACHED_TOKENS = 1024
AUTOMATIC_STEP_BYTES = 128 * BYTES_PER_TOKEN
REASONING_MODELS = ("o1", "o3", "o4", "gpt-5")
PARTS_OF_TOTALS = {
    "input_tokens": ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    "output_tokens": ("reasoning_tokens",),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts in the ledger's convention: input and output are totals, the others are parts of these."""

    input_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def uncached_tokens(self) -> int:
        """Input at the full rate: Anthropic's ``input_tokens``."""
        return self.input_tokens - self.cache_read_tokens - self.cache_write_tokens


class Meter:
    """Counts tokens and remembers what is cached. Not safe for threads: the provider holds a lock."""

    def __init__(self) -> None:
        self._automatic: set[bytes] = set()
        self._marked: set[bytes] = set()

    def measure(self, request: Request, reply: Reply) -> Usage:
        """The usage of a call, with the reply's overrides.

        An overridden total leaves no parts of it but those that the reply names.

        Raises:
            BadInputError: the overrides contradict each other.
        """
        usage = self._computed(request, reply)
        for total, parts in PARTS_OF_TOTALS.items():
            if total in reply.tokens:
                usage = replace(usage, **dict.fromkeys(parts, 0))
        usage = replace(usage, **reply.tokens)
        contradicts = (
            usage.uncached_tokens < 0
            or usage.cache_write_1h_tokens > usage.cache_write_tokens
            or usage.reasoning_tokens > usage.output_tokens
        )
        if contradicts:
            raise BadInputError(f"token counts contradict each other: {asdict(usage)}")
        return usage

    def _computed(self, request: Request, reply: Reply) -> Usage:
        input_tokens = max(1, tokens_in(sum(len(segment.text.encode()) for segment in request.segments)))
        if request.api == "embeddings":
            return Usage(input_tokens)
        spoken = reply.text + "".join(call.name + call.arguments_json for call in reply.tool_calls)
        visible_tokens = max(1, tokens_in(len(spoken.encode())))
        if request.provider == "anthropic":
            read, write, write_1h = self._read_marked(request)
            return Usage(input_tokens, read, write, write_1h, visible_tokens)
        thinks = request.model.startswith(REASONING_MODELS)
        reasoning_tokens = 64 * (1 + visible_tokens // 16) if thinks else 0
        return Usage(
            input_tokens,
            cache_read_tokens=self._read_automatic(request),
            output_tokens=visible_tokens + reasoning_tokens,
            reasoning_tokens=reasoning_tokens,
        )

    def _read_automatic(self, request: Request) -> int:
        prompt = "".join(segment.text for segment in request.segments).encode()
        digest = blake2b(request.model.encode(), digest_size=16)
        read_bytes = 0
        for start in range(0, len(prompt) - AUTOMATIC_STEP_BYTES + 1, AUTOMATIC_STEP_BYTES):
            digest.update(prompt[start : start + AUTOMATIC_STEP_BYTES])
            prefix = digest.digest()
            if prefix in self._automatic:
                read_bytes = start + AUTOMATIC_STEP_BYTES
            self._automatic.add(prefix)
        read_tokens = tokens_in(read_bytes)
        return read_tokens if read_tokens >= MINIMUM_CACHED_TOKENS else 0

    def _read_marked(self, request: Request) -> tuple[int, int, int]:
        digest = blake2b(request.model.encode(), digest_size=16)
        size_bytes = known = read = end = end_1h = 0
        written = set()
        for segment in request.segments:
            text = segment.text.encode()
            digest.update(text)
            size_bytes += len(text)
            prefix, prefix_tokens = digest.digest(), tokens_in(size_bytes)
            if prefix in self._marked:
                known = prefix_tokens
            if segment.cache_ttl and prefix_tokens >= MINIMUM_CACHED_TOKENS:
                read, end = known, prefix_tokens
                end_1h = prefix_tokens if segment.cache_ttl == "1h" else end_1h
                written.add(prefix)
        self._marked |= written
        return read, end - read, max(0, end_1h - read)


def tokens_in(size_bytes: int) -> int:
    """Tokens of a text of so many bytes, rounded up."""
    return -(-size_bytes // BYTES_PER_TOKEN)
