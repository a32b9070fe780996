"""Vectors by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from senseweave.encoders.runtime.backends.base import Items
from senseweave.encoders.runtime.backends.export import pad_items
from senseweave.encoders.runtime.onnx_session import OnnxSession, describe_session


class Onnx:
    """A graph that ONNX Runtime computes, by as many threads as torch would use."""

    def __init__(self, name: str, graph: Path, padding: int) -> None:
        """Describe the backend; the graph is read when it is first used.

        Args:
            name: What errors call the model.
            graph: Of `export_pipeline`.
            padding: Id of the token that texts are padded with.
        """
        self._padding = padding
        self._session = OnnxSession(name, graph, extra="onnx")

    def vectors(self, items: Items) -> np.ndarray:
        """Pad and compute."""
        ids, mask = pad_items(items, self._padding)
        (vectors,) = self._session.run({"input_ids": ids, "attention_mask": mask})
        return vectors

    def describe(self) -> dict[str, object]:
        """Return the engine and its threads."""
        return describe_session()

    def load(self) -> None:
        """Open the session now."""
        self._session.load()

    def close(self) -> None:
        """Free the session."""
        self._session.close()
