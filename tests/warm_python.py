"""Runs programs in processes of their own that need not import the large libraries again.

A server imports them once and forks for every program. What is run has its own argv, environment, standard output,
standard error and exit, as under `subprocess.run`; nothing of senseweave is imported before the fork.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

LIBRARIES = (
    "torch",
    "torchvision.models",
    "transformers.modeling_utils",
    "transformers.models.bert.modeling_bert",
    "timm",
)
"""Those whose import starts no thread, so that a fork has all of them: not onnxruntime, CTranslate2 or Chroma."""


def run(*arguments: str, env: Mapping[str, str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` (`-c CODE ...` or a script with arguments) and return what it printed.

    Where there is no fork, as on Windows, it is started anew.
    """
    if not hasattr(os, "fork"):
        command = [sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env, check=False)
    with tempfile.TemporaryDirectory() as folder:
        streams = [str(Path(folder) / name) for name in ("stdout", "stderr")]
        request = {"arguments": arguments, "env": dict(env), "cwd": os.getcwd(), "streams": streams, "timeout": timeout}
        server = _server()
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        printed = [Path(stream).read_text(encoding="utf-8") for stream in streams]
    return subprocess.CompletedProcess(list(arguments), code, *printed)


@cache
def _server() -> Any:
    process = subprocess.Popen(
        [sys.executable, "-u", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    atexit.register(process.stdin.close)
    return process


def serve() -> dict[str, Any] | None:
    """Answer requests with exit codes; return None at their end, and in each forked process its request."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        child = os.fork()
        if child == 0:
            answers.close()
            return request
        print(_wait(child), file=answers, flush=True)
    return None


def _wait(child: int) -> int:
    """Return a process's exit code, negative if a signal ended it, as `subprocess` has it."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def become(request: Mapping[str, Any]) -> None:
    """Turn this process into the one that was asked for."""
    sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    os.dup2(sys.stdin.fileno(), 0)
    for number, path in enumerate(request["streams"], start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    signal.setitimer(signal.ITIMER_REAL, request["timeout"])  # ends this process, unless it ends before
    first, *rest = request["arguments"]
    if first == "-c":
        code, *rest = rest
        sys.argv = ["-c", *rest]
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [first, *rest]
        sys.path[0] = str(Path(first).parent)
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    asked = serve()
    if asked is not None:
        become(asked)
