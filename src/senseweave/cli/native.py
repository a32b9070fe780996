"""Suppress what libmpg123, inside libsndfile, prints about broken MP3 files, whose errors are reported anyway."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from senseweave.cli.pipes import Output

_MPG123 = re.compile(
    rb"\[src/libmpg123/|Note: (Trying to resync|Skipped \d+ bytes|Illegal Audio-MPEG-Header|Hit end of)"
    rb"|Warning: Xing stream size|\s*$"
)


@contextmanager
def without_decoder_notes() -> Iterator[None]:
    """Collect what native code writes to standard error, and print it without libmpg123's notes at the end.

    libmpg123 has an option for this, which libsndfile 1.2.2 does not set. Python's own messages are printed at once.
    Only for a program that owns its process: in this context, file descriptor 2 of the process is redirected.
    """
    try:
        owned = sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):
        owned = False
    if not owned:
        yield
        return
    shown = sys.stderr
    shown.flush()
    terminal = os.dup(2)
    with (
        tempfile.TemporaryFile() as held,
        Output(open(terminal, "wb"), shown.encoding, errors="backslashreplace", line_buffering=True) as direct,
    ):
        os.dup2(held.fileno(), 2)
        sys.stderr = direct
        try:
            yield
        finally:
            sys.stderr = shown
            os.dup2(terminal, 2)
            held.seek(0)
            for line in held:
                if not _MPG123.match(line):
                    direct.write(line.decode(errors="backslashreplace"))
