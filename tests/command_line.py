"""Runs the command line as a person does: in a pipe, or in a terminal of some width."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import warm_python

START = "from senseweave.cli import main; main()"


def piped(*arguments: object, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `senseweave ARGUMENTS` with its output in files, in a folder, and return what it printed."""
    values = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")} | environment
    code = f"import os; os.chdir({str(folder)!r}); {START}" if folder is not None else START
    return warm_python.run("-c", code, *map(str, arguments), env=values)


def in_terminal(*arguments: object, columns: int, folder: Path | None = None, **environment: str) -> str:
    """Run `senseweave ARGUMENTS` in a terminal of some width, and return everything that the terminal got."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    values = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "COLORTERM")}
    values |= {"TERM": "xterm-256color", **environment}
    command = [sys.executable, "-c", START, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=values, cwd=folder)
    os.close(theirs)
    received = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # the end, on Linux
            break
        if not block:
            break
        received += block
    os.close(ours)
    assert process.wait(timeout=60) == 0, received.decode(errors="replace")
    return received.decode().replace("\r\n", "\n")


@contextmanager
def served(*arguments: object, **environment: str) -> Iterator[str]:
    """Run `senseweave serve ARGUMENTS` on any port, and give its URL; afterwards it ends without an error."""
    command = [sys.executable, "-c", START, "serve", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "serving" in line, line
        words = line.rpartition(" on ")[2].split()
        yield next(word.rstrip(";") for word in words if word.startswith("http://127.0.0.1:"))
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
