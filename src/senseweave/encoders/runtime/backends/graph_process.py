"""Make graphs in a process of their own: the user's survives a crash of the exporter, and keeps none of its memory.

Torch, transformers and the exporter stay in a process that has made a graph, and take ten times the memory of one that
only reads it. The other process is a plain `python -c`: it works in daemons, in threads and below scripts without a
guard of `__main__`, none of which it runs again. If it hangs it is ended after a while. Where none can begin, graphs
are made here.
"""

from __future__ import annotations

import faulthandler
import io
import math
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from senseweave.errors import ModelError, SenseweaveError
from senseweave.redaction import quoted

VARIABLE: Final = "SENSEWEAVE_GRAPH_PROCESS"
"""Environment variable; `same` makes graphs in the process that needs them."""
LIMIT_VARIABLE: Final = "SENSEWEAVE_GRAPH_SECONDS"
"""Environment variable for the most seconds that the other process may take."""
USUAL_SECONDS: Final = 1800.0
"""Far more than any model has been seen to take; a process that takes longer waits for something that never comes."""
BEGUN: Final = "begun"
GREATEST_EXIT_CODE: Final = 255
"""On Windows a process that crashed ends with a greater one."""
PROGRAM: Final = """
import os, pickle, sys
answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
sys.path[:] = pickle.load(sys.stdin.buffer)
from senseweave.encoders.runtime.backends.graph_process import answer
answer(sys.stdin.buffer, answers)
"""

Make = Callable[[Path], Mapping[str, object]]


class GraphProcessError(ModelError):
    """The process that made a graph ended before it was done, or had to be ended because it took too long."""


def make_apart(name: str, prepare: Callable[[], Make], folder: Path) -> Mapping[str, object] | None:
    """Make a graph in another process.

    Args:
        name: What errors call the model.
        prepare: Returns what makes the graph; called in the other process, to which it is pickled.
        folder: Where the files of the graph are to be.

    Returns:
        What is known of the graph; None if no other process could begin to make it.

    Raises:
        GraphProcessError: If the process ended while it made the graph, or was ended after `most_seconds()`.
        SenseweaveError: If the environment holds an impossible limit.
        Exception: Whatever making it raised.
    """
    python, seconds = _interpreter(), most_seconds()
    if python is None:
        return None
    try:
        request = pickle.dumps(sys.path) + pickle.dumps((prepare, folder))
        done = subprocess.run(  # noqa: S603
            [python, "-P", "-c", PROGRAM],
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"{name}: the process that made its graph was not done after {seconds:g} seconds ({LIMIT_VARIABLE})"
        raise GraphProcessError(msg) from error
    except (OSError, pickle.PicklingError, TypeError, AttributeError):
        return None
    answers = list(_read(done.stdout))
    if BEGUN not in answers and 0 <= done.returncode <= GREATEST_EXIT_CODE:
        return None
    if not answers or answers[-1] == BEGUN:
        msg = f"{name}: the process that made its graph {_ending(done.returncode)}"
        raise GraphProcessError(msg)
    made = answers[-1]
    if isinstance(made, Exception):
        raise made
    return made  # type: ignore[no-any-return]


def most_seconds() -> float:
    """Return how long the other process may take.

    Raises:
        SenseweaveError: If the environment variable holds no number greater than 0.
    """
    named = os.environ.get(LIMIT_VARIABLE) or str(USUAL_SECONDS)
    try:
        seconds = float(named)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        usual = f"{USUAL_SECONDS:g}"
        msg = f"{LIMIT_VARIABLE} must be a number of seconds greater than 0, such as {usual}, not {quoted(named)}"
        raise SenseweaveError(msg)
    return seconds


def answer(requests: BinaryIO, answers: BinaryIO) -> None:
    """Read a request of `make_apart`, and write that it is begun and what came of it.

    This process ends after `most_seconds()` by itself, too, for whoever started it may have been killed meanwhile.
    """
    faulthandler.dump_traceback_later(most_seconds(), exit=True)
    prepare, folder = pickle.load(requests)  # noqa: S301  (from the process that started this one)
    make = prepare()
    pickle.dump(BEGUN, answers)
    answers.flush()
    try:
        result: object = dict(make(folder))
    except Exception as error:
        result = error
    answers.write(_pickled(result))
    answers.flush()


def _pickled(result: object) -> bytes:
    try:
        pickled = pickle.dumps(result)
        pickle.loads(pickled)  # noqa: S301  (its own; exceptions may be written and not read)
    except Exception:
        return pickle.dumps(ModelError(f"{type(result).__name__}: {result}"))
    return pickled


def _read(answers: bytes) -> list[Any]:
    read, file = [], io.BytesIO(answers)
    while True:
        try:
            read.append(pickle.load(file))  # noqa: S301  (of the process that this one started)
        except (EOFError, pickle.UnpicklingError):
            return read


def _interpreter() -> str | None:
    """Return the program to start; None where it is no Python, as in frozen and embedding programs, or not wanted."""
    is_python = not getattr(sys, "frozen", False) and Path(sys.executable or "").stem.lower().startswith("python")
    return sys.executable if is_python and os.environ.get(VARIABLE) != "same" else None


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
