"""A server of embeddings that needs a key, and everything that a program could write down of an error."""

import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from urllib.parse import quote

import numpy as np
from json_server import JsonHandler

from senseweave.encoders.runtime.server_answers import SHOWN

KEY = "sk-planted-7d1f+0a/93"
VARIABLE = "PLANTED_KEY"


class Server(JsonHandler):
    """Answers with vectors, and to a text with "poison" by repeating the key in several forms."""

    def respond(self, request: dict[str, list[str]]) -> None:
        """Answer a request for embeddings."""
        texts = request["input"]
        if self.headers["authorization"] != f"Bearer {KEY}" or any("poison" in text for text in texts):
            header = self.headers["authorization"]
            self.answer(401, {"error": {"message": f"wrong key {KEY}, {quote(KEY, safe='')}, {header}"}})
            return
        if "long" in texts:  # an error that is quoted up to the middle of the key
            self.answer(200, {"error": {"message": "x" * (SHOWN - len(KEY) // 2) + KEY}})
            return
        vectors = [np.random.default_rng(len(text)).normal(size=8).tolist() for text in texts]
        data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        self.answer(200, {"object": "list", "data": data, "model": "m", "usage": usage})


@contextmanager
def key_server() -> Iterator[str]:
    """Serve, and yield the base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def holds_key(text: str) -> bool:
    """Return whether a text holds the key, as it is or as a URL has it."""
    return KEY in text or quote(KEY, safe="") in text


def written(error: BaseException) -> str:
    """Return what a program can write of an error: message, representation, traceback, and what `logging` makes."""
    record = logging.LogRecord(
        "a program", logging.ERROR, "", 0, "failed: %s", (error,), (type(error), error, error.__traceback__)
    )
    return f"{error}\n{error!r}\n{logging.Formatter().format(record)}\n{''.join(traceback.format_exception(error))}"
