"""Vectors by OpenVINO, in the precision that was asked for and no other."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from senseweave.display import shorten
from senseweave.encoders.runtime.backends.base import Collate
from senseweave.encoders.runtime.onnx_session import compute_threads
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.forking import Lock, abandon, call_in_child, forks

_making = Lock()
_cores: dict[int, Any] = {}
"""By number of forks; more than one where a parent's is left in its child."""


class OpenVino:
    """A graph that OpenVINO computes, by as many threads as torch would use; one compiled model for all callers."""

    def __init__(self, name: str, graph: Path, collate: Collate, *, half: bool = False) -> None:
        """Describe the backend; the graph is compiled when it is first used.

        Args:
            name: What errors call the model.
            graph: Of `export_pipeline`.
            collate: Makes its inputs.
            half: Whether it computes in bfloat16, which OpenVINO would do unasked on processors that have it.
        """
        self._name, self._graph, self._collate = name, graph, collate
        self._precision = "bf16" if half else "f32"
        self._lock = Lock()
        self._compiled: tuple[int, Any] | None = None
        call_in_child(self._leave_to_parent)

    def vectors(self, items: Sequence[Any]) -> np.ndarray:
        """Compute a batch; calls may overlap, each with a request of its own."""
        request = self._model().create_infer_request()
        results = request.infer(self._collate(items))
        return np.array(results[0], dtype=np.float32)

    def describe(self) -> dict[str, object]:
        """Return the engine and its threads."""
        return {"backend": "openvino", "device": "cpu", "threads": compute_threads()}

    def load(self) -> None:
        """Compile the model now."""
        self._model()

    def close(self) -> None:
        """Free the compiled model."""
        with self._lock:
            self._compiled = None

    def _model(self) -> Any:
        """Return the compiled model, compiled again if the number of threads has changed."""
        threads = compute_threads()
        compiled = self._compiled
        if compiled is None or compiled[0] != threads:
            with self._lock:
                compiled = self._compiled
                if compiled is None or compiled[0] != threads:
                    compiled = self._compiled = (threads, self._compile(threads))
        return compiled[1]

    def _compile(self, threads: int) -> Any:
        openvino = require("openvino", extra="openvino")
        options = {
            "INFERENCE_PRECISION_HINT": self._precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        try:
            core = _core(openvino)
            return core.compile_model(core.read_model(str(self._graph)), "CPU", options)
        except Exception as error:  # OpenVINO raises RuntimeError for everything
            said = shorten(str(error), 300)
            msg = f"{self._name}: OpenVINO cannot compile its graph, use backend='onnx' or 'torch': {said}"
            raise ModelError(msg) from error

    def _leave_to_parent(self) -> None:
        """Forget the model in a forked child, where its threads do not exist."""
        abandon(self._compiled)
        self._compiled = None


def _core(openvino: Any) -> Any:
    """Return this process's OpenVINO, which is made once and stays until the process ends.

    Its plugin for processors gives the thread that loads it another stack for signals. Where several plugins are freed,
    the thread may be left with a stack that is freed too, and the next signal, such as Ctrl-C, would end the process.
    One that stays, and is loaded by a thread that ends, changes no other thread.
    """
    with _making:
        if forks() not in _cores:
            with ThreadPoolExecutor(1, "senseweave-openvino") as thread:
                _cores[forks()] = thread.submit(_make_core, openvino).result()
            abandon(_cores[forks()])
        return _cores[forks()]


def _make_core(openvino: Any) -> Any:
    core = openvino.Core()
    core.get_versions("CPU")  # loads the plugin
    return core
