"""A tiny model behind a server of this file that speaks OpenAI's protocol: the folder is part of the address."""

from __future__ import annotations

import base64
import threading
from functools import cache
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from json_server import JsonHandler
from tiny_contextual import pooled
from tiny_text import POSITIONS, long_text, save_model, texts

from senseweave.errors import ModelError
from senseweave.testing import Case

PATH = "/v1/embeddings"


class Handler(JsonHandler):
    """Answers with the mean of the token states of the model in the folder that the address names."""

    def respond(self, body: dict[str, Any]) -> None:
        folder = Path(self.path.removesuffix(PATH))
        missing = lacking(folder)
        if missing:
            self.answer(404, {"error": {"message": f"the model cannot be served, it lacks {missing}"}})
            return
        vectors = pooled("mean")(folder, body["input"], "document").astype(np.float32)
        rows = [base64.b64encode(row.tobytes()).decode() for row in vectors]
        data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        self.answer(200, {"object": "list", "data": data, "model": body["model"], "usage": usage})


def lacking(folder: Path) -> list[str]:
    from transformers import AutoModel

    _, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    return sorted(key for key in report["missing_keys"] if "pooler" not in key)


@cache
def server() -> str:
    """The address of the server, which runs as long as the tests do."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{running.server_address[1]}"


def make(folder: Path) -> str:
    save_model(folder, "Bert")
    return "openai:tiny"


def options(folder: Path) -> dict[str, Any]:
    return {
        "base_url": f"{server()}{folder}/v1",
        "tokenizer": str(folder),
        "max_length": POSITIONS,
        "max_retries": 0,
    }


OPENAI_FAMILIES: list[Case] = [
    Case(
        "openai",
        "text",
        make,
        texts,
        pooled("mean"),
        options=options,
        long_item=long_text,
        poison="word_embeddings.weight",
        missing="layer.1.attention.self.query.weight",
        missing_error=ModelError,
        served=True,
        half_types=frozenset(),
    ),
]
