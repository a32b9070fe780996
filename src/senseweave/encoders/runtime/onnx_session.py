"""onnxruntime sessions: a graph whose weights stay in their file, computed by as many threads as torch would use."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.display import shorten
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.forking import Lock, abandon, call_in_child

THREADS_VARIABLE: Final = "OMP_NUM_THREADS"
"""Environment variable of OpenMP, which torch reads too."""
CORE_TOKENS, MOST_TOKENS = 512, 2048
"""Tokens per batch for each core, and at most: on one core 512 took a fifth less processor time than 2,048 with short
texts, and a sixth less with texts of mixed lengths: there is less padding, and states stay in the core's caches."""
SPIN_MICROSECONDS: Final = 50
"""How long a thread that has computed its share looks for more before it sleeps: longer than what lies between two
operators of a run, so that a single query took a sixth less time on two cores, and no more processor time."""
BOUNDED_SPINNING: Final = (1, 31)
"""The version of onnxruntime that was seen to take a bound; earlier ones may spin for milliseconds, and do not here."""
PROVIDERS: Final = ("CPUExecutionProvider",)
_ERRORS: Final = 3
"""onnxruntime's level of logging."""
_OUT_OF_MEMORY: Final = re.compile(r"bad alloc|failed to allocate memory", re.IGNORECASE)


class OnnxSession:
    """A graph that onnxruntime computes on the CPU; opened on first use, and again in a forked child.

    Runs may overlap: each thread computes with the session's own threads, which sleep between runs. The session keeps
    the memory that its largest run took, for the next, but for runs that ask to give theirs back.
    """

    def __init__(
        self,
        name: str,
        graph: bytes | Path,
        weights: Mapping[str, np.ndarray] | None = None,
        *,
        extra: str = "starter",
        threads: int | None = None,
    ) -> None:
        """Describe the session; nothing is read yet.

        Args:
            name: What errors call the model.
            graph: An ONNX file, or its path.
            weights: The tensors that the file names as external, by name, for example from `map_tensors`. They are
                used where they lie, without a copy. Other external data are read from beside the path.
            extra: The extra of senseweave that installs onnxruntime, for the error.
            threads: That compute a run; `compute_threads()` if None.
        """
        self.name = name
        self._graph = graph
        self._weights = dict(weights or {})
        self._extra = extra
        self._threads = threads
        self._lock = Lock()
        self._session: Any = None
        self._opened_with = 0
        call_in_child(self._leave_to_parent)

    @property
    def threads(self) -> int:
        """The number of threads that compute a run."""
        return self._threads or compute_threads()

    def run(
        self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None, *, shrink: bool = False
    ) -> list[np.ndarray]:
        """Compute outputs, in the order of their names; all outputs of the graph, in its order, if None.

        Args:
            inputs: By the names in the graph.
            outputs: Names in the graph; what none of them needs is not computed.
            shrink: Whether memory goes back to the system after this run: for inputs larger than usual.

        Raises:
            RuntimeError: If onnxruntime fails; `encoders.runtime.failures` turns it into an error of the batch.
            MemoryError: If there is not enough memory.
            ModelError: If the graph cannot be opened.
            ImportError: If onnxruntime is not installed; the message holds the install line.
        """
        session = self._session
        if session is None or self._opened_with != self.threads:  # torch.set_num_threads may be called at any time
            session = self._load()
        try:
            computed: list[np.ndarray] = session.run(outputs, inputs, _shrinking() if shrink else None)
        except Exception as error:  # onnxruntime has an error class for each status, without a common base
            said = shorten(str(error).partition("\n")[0], 300)
            kind = MemoryError if _OUT_OF_MEMORY.search(said) else RuntimeError
            raise kind(f"{self.name}: onnxruntime: {said}") from error
        return computed

    def load(self) -> None:
        """Open the session now; nothing happens if it is open."""
        self._load()

    def close(self) -> None:
        """Free the session once no run needs it; the next run opens it again."""
        with self._lock:
            self._session = None

    def _load(self) -> Any:
        with self._lock:
            threads = self.threads
            if self._session is None or self._opened_with != threads:
                self._session, self._opened_with = self._open(threads), threads
            return self._session

    def _open(self, threads: int) -> Any:
        onnxruntime = import_onnxruntime(self._extra)
        options = session_options(onnxruntime, threads)
        if self._weights:
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(tensor) for tensor in self._weights.values()]
            options.add_external_initializers(list(self._weights), values)
        graph = self._graph if isinstance(self._graph, bytes) else str(self._graph)
        try:
            return onnxruntime.InferenceSession(graph, options, providers=list(PROVIDERS))
        except Exception as error:  # as in `run`
            msg = f"{self.name}: onnxruntime cannot open its graph: {shorten(str(error), 300)}"
            raise ModelError(msg) from error

    def _leave_to_parent(self) -> None:
        """Forget the session in a forked child, where its threads do not exist."""
        abandon(self._session)
        self._session = None


def session_options(onnxruntime: Any, threads: int) -> Any:
    """Return options under which threads that wait soon sleep: spinning for long takes a core from everything else."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS
    options.enable_mem_pattern = False  # which holds memory for every shape that was seen
    version = tuple(int(number) for number in re.findall(r"\d+", onnxruntime.__version__)[:2])
    if version >= BOUNDED_SPINNING:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_MICROSECONDS))
    else:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _shrinking() -> Any:
    options = import_onnxruntime().RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def import_onnxruntime(extra: str = "starter") -> Any:
    """Import onnxruntime, which then logs errors alone and reports nothing to its makers.

    Raises:
        ImportError: If it is not installed; the message holds the install line.
    """
    onnxruntime = require("onnxruntime", extra=extra)
    onnxruntime.set_default_logger_severity(_ERRORS)
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def describe_session() -> dict[str, object]:
    """Return engine and threads, as plain values for `Space.info`."""
    return {"backend": "onnx", "device": "cpu", "threads": compute_threads()}


def compute_threads() -> int:
    """Return how many threads a model may compute with: what torch is set to if it is loaded, else what it would take.

    That is `OMP_NUM_THREADS` if it is set, else the cores that this process may run on, two threads of a core counted
    once.
    """
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        return int(torch.get_num_threads())
    given = os.environ.get(THREADS_VARIABLE, "").partition(",")[0].strip()
    if given.isdecimal() and int(given):
        return int(given)
    return count_cores()


def usual_batch_tokens() -> int:
    """Return the padded tokens of a batch of texts that suit the threads that compute."""
    return min(MOST_TOKENS, CORE_TOKENS * compute_threads())


@functools.cache
def count_cores() -> int:
    """Return the number of cores that this process may run on."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    usable = os.sched_getaffinity(0)
    cores = set()
    for processor in usable:
        try:
            siblings = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list").read_text()
        except OSError:  # a container may hide it
            siblings = str(processor)
        cores.add(siblings)
    return len(cores)
