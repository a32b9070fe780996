"""The part of a small HTTP server that every test with a server of embeddings needs."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any


class JsonHandler(BaseHTTPRequestHandler):
    """Reads and answers JSON, and logs nothing."""

    def do_POST(self) -> None:
        """Read a request and respond to it."""
        self.respond(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def respond(self, request: Any) -> None:
        """Answer a request."""
        raise NotImplementedError

    def answer(self, status: int, content: object) -> None:
        """Send an answer."""
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""
