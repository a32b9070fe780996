"""Standard streams that end the program quietly when nobody reads them, as in `senseweave search ... | head -1`."""

from __future__ import annotations

import io
import os
import sys
from typing import Final, TextIO

READER_GONE: Final = 141
"""The exit code of a shell for a program that SIGPIPE (13) ended: 128 + 13. The signal itself would also end the
program when a server closes a connection."""


class Output(io.TextIOWrapper):
    """Text output that ends the program with `READER_GONE` when nobody reads it any more.

    Attributes:
        beneath: The stream whose file it writes to, which would close the file if it were forgotten.
    """

    beneath: TextIO | None = None

    def write(self, text: str) -> int:
        """Write text, and return its number of characters."""
        try:
            return super().write(text)
        except BrokenPipeError:
            self._leave()
            raise SystemExit(READER_GONE) from None

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            super().flush()
        except BrokenPipeError:
            self._leave()
            raise SystemExit(READER_GONE) from None

    def _leave(self) -> None:
        """Let what is still buffered vanish, or the interpreter would complain at its end."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def output(stream: TextIO) -> TextIO:
    """Return a standard stream as `Output` that writes what its encoding lacks as escapes, instead of failing.

    A stream that is no file, as in a test, is returned as it is.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    buffering = stream.line_buffering
    made = Output(stream.buffer, stream.encoding, errors="backslashreplace", line_buffering=buffering)
    made.beneath = stream
    return made


def open_closed_streams() -> None:
    """Open the null device in the place of standard streams that the caller closed (`>&-`).

    Otherwise the next file that is opened, such as a database, would become the standard output.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
