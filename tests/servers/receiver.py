"""A receiver of webhooks: it notes what is posted, and answers as it is told."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Request:
    """What came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Receiver(AbstractContextManager["Receiver"]):
    """Answers with each of `statuses` once, then with 204. A 3xx leads to /elsewhere here. `delay_s` is before each
    answer, `answer` its body; with a `context` it speaks TLS.
    """

    def __init__(
        self,
        *statuses: int,
        delay_s: float = 0.0,
        answer: bytes = b"",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self._over = threading.Event()
        left, receiver = list(statuses), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(Request(self.path, dict(self.headers.items()), body))
                receiver._over.wait(delay_s)
                self.send_response(left.pop(0) if left else 204)
                self.send_header("Location", f"{receiver.url}/elsewhere")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    time.sleep(0)  # who asked has gone

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._scheme = "http" if context is None else "https"
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens, on this machine alone."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
