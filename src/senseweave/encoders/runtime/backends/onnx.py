"""Vectors by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from senseweave.encoders.runtime.backends.base import Collate
from senseweave.encoders.runtime.onnx_session import OnnxSession, describe_session


class Onnx:
    """A graph that ONNX Runtime computes, by as many threads as torch would use."""

    def __init__(self, name: str, graph: Path, collate: Collate) -> None:
        """Describe the backend; the graph is read when it is first used.

        Args:
            name: What errors call the model.
            graph: Of `export_pipeline`.
            collate: Makes its inputs.
        """
        self._collate = collate
        self._session = OnnxSession(name, graph, extra="onnx")

    def vectors(self, items: Sequence[Any]) -> np.ndarray:
        """Compute a batch."""
        (vectors,) = self._session.run(self._collate(items))
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
