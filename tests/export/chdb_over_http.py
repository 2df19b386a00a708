"""chDB behind as much of ClickHouse's HTTP interface as our client uses: the way to a server, without a server.

``python chdb_over_http.py DIRECTORY [PORT]`` prints its port and serves until its standard input ends. One request at a
time, no users, and of the settings of a request only those that are harmless to keep.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame

# The data begin after one line feed: a second one may be the number of columns.
_INSERT = re.compile(rb"INSERT INTO (?P<target>.+?) FORMAT Native *\n?", re.IGNORECASE | re.DOTALL)
_ERROR = re.compile(r"Code: (\d+)")
_KEPT = {"max_partitions_per_insert_block"}


class Handler(BaseHTTPRequestHandler):
    """Runs a statement: the `query` parameter followed by the body."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Answer a ping."""
        self._answer(200, b"Ok.\n")

    def do_POST(self) -> None:
        """Run a statement and answer with its result, or with ClickHouse's error and its number."""
        body = self._body()
        if self.headers.get("content-encoding") == "lz4":
            body = lz4.frame.decompress(body)
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        statement = parameters.get("query", "").encode()
        try:
            answer = self.server.run(statement + b"\n" * bool(statement) + body, parameters)
        except Exception as error:
            code = found[1] if (found := _ERROR.search(str(error))) else "0"
            self._answer(500, str(error).encode(), ("X-ClickHouse-Exception-Code", code))
        else:
            self._answer(200, answer)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("content-length", str(len(body))), ("X-ClickHouse-Timezone", "UTC"), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """One chDB connection for all requests."""

    def __init__(self, directory: Path, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._connection = chdb.connect(str(directory))
        self._lock = threading.Lock()

    def run(self, statement: bytes, parameters: dict[str, str]) -> bytes:
        """The answer to a statement, in the format that it names."""
        bound = {name.removeprefix("param_"): v for name, v in parameters.items() if name.startswith("param_")}
        with self._lock:
            if database := parameters.get("database"):
                self._query(f"USE `{database}`")
            for name in _KEPT & parameters.keys():
                self._query(f"SET {name} = {parameters[name]}")
            if insert := _INSERT.match(statement):
                return self._insert(insert["target"].decode(), statement[insert.end() :])
            return self._query(statement.decode(), bound)

    def _insert(self, target: str, block: bytes) -> bytes:
        with tempfile.NamedTemporaryFile() as file:
            file.write(block)
            file.flush()
            return self._query(f"INSERT INTO {target} FROM INFILE '{file.name}' FORMAT Native")

    def _query(self, statement: str, bound: dict[str, Any] | None = None) -> bytes:
        answer = self._connection.query(statement, "TabSeparated", params=bound or {})
        return answer.bytes()


def main() -> None:
    """Serve until standard input ends."""
    server = Server(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    # chDB may wait for its own threads for ever when the interpreter ends.
    os._exit(0)


if __name__ == "__main__":
    main()
