"""A proxy in front of a Chroma server that can refuse every request and repeat what the client sent."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Proxy(ThreadingHTTPServer):
    """Passes requests on, or answers them with `status` and the headers of the request.

    Attributes:
        status: Of the answers; None to pass requests on.
    """

    status: int | None = None

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.behind = port


class Request(BaseHTTPRequestHandler):
    """One request."""

    server: Proxy

    def answer(self) -> None:
        """Answer it."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.server.status is not None:
            message = f"refused {dict(self.headers)} at {self.path}"
            self.send(self.server.status, json.dumps({"error": "ChromaError", "message": message}).encode())
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind)
        connection.request(self.command, self.path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        self.send(response.status, response.read())

    def send(self, status: int, content: bytes) -> None:
        """Send JSON."""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        """Log nothing."""


@contextmanager
def repeating_proxy(port: int) -> Iterator[Proxy]:
    """Serve in front of a server on this machine."""
    proxy = Proxy(port)
    threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
    yield proxy
    proxy.shutdown()
    proxy.server_close()
