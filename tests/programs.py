"""Programs of the retrieval tests, which are modules too: imported, started as processes, and killed."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent / "retrieval"


def load_program(name: str) -> ModuleType:
    """Return a program as a module, which is imported once."""
    known = f"senseweave_tests_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[known] = module
        spec.loader.exec_module(module)
    return sys.modules[known]


def start_program(name: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a program in a session of its own, so that `kill` ends what it starts too."""
    return subprocess.Popen(
        [sys.executable, str(FOLDER / f"{name}.py"), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> bool:
    """Kill a process with all that it started, and return whether it was still at work."""
    is_at_work = process.poll() is None
    if is_at_work:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return is_at_work


def run_rivals(place: object, *groups: Iterable[int]) -> None:
    """Run a process of `rival_writer` for each group of clients, all at once."""
    processes = [start_program("rival_writer", place, *group) for group in groups]
    for process in processes:
        output, errors = process.communicate(timeout=240)
        assert output.strip() == '"done"', errors[-3000:]
