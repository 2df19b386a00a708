"""What is behind the calls of `instrument.py`: a provider that answers from memory, and its collector."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant who answers in one sentence. " * 20},
    {"role": "user", "content": "What is the capital of France, and how many people live there? " * 10},
]
SHORT_CHUNKS, LONG_CHUNKS = 5, 205

_IDENTITY = {"id": "chatcmpl-AbCdEfGhIjKlMnOp", "created": 1760000000, "model": "gpt-4o-2024-08-06"}
_USAGE = {"prompt_tokens": 300, "completion_tokens": 40, "total_tokens": 340}
_SPANS_TAKEN = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"


@contextmanager
def serving() -> Iterator[str]:
    """Give the address of a server in a thread of this process."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(_serve, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The user's name in a request says how many chunks a stream shall have."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if b" /v1/traces " in head:
                writer.write(_SPANS_TAKEN)
            else:
                request = json.loads(body)
                writer.write(_STREAMS[request["user"]] if request.get("stream") else _PLAIN)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _plain_answer() -> bytes:
    """The whole answer to a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Paris. " * 30}, "finish_reason": "stop"}
    body = json.dumps({**_IDENTITY, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _streamed_answer(chunks: int) -> bytes:
    """So many pieces of content, each in an HTTP chunk of its own, and the usage."""

    def sent(event: str) -> bytes:
        data = f"data: {event}\n\n".encode()
        return b"%x\r\n%b\r\n" % (len(data), data)

    def chunk(delta: dict[str, str], **other: Any) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": None}]
        return sent(json.dumps({**_IDENTITY, "object": "chat.completion.chunk", "choices": choices, **other}))

    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    pieces = [chunk({"content": " word"}) for _ in range(chunks - 1)]
    return b"".join([head, *pieces, chunk({}, usage=_USAGE), sent("[DONE]"), b"0\r\n\r\n"])


_PLAIN = _plain_answer()
_STREAMS = {str(chunks): _streamed_answer(chunks) for chunks in (SHORT_CHUNKS, LONG_CHUNKS)}
