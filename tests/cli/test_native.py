"""What native libraries print: libmpg123's notes go, everything else stays."""

import subprocess
import sys

SCRIPT = """
import os, sys
from senseweave.cli.native import without_decoder_notes
with without_decoder_notes():
    os.write(2, b"[src/libmpg123/layer3.c:INT123_do_layer3():1804] error: dequantization failed!\\n")
    os.write(2, b"\\nNote: Trying to resync...\\nNote: Skipped 1024 bytes in input.\\n")
    os.write(2, b"libwhatever: out of memory\\n")
    print("told at once", file=sys.stderr)
    if len(sys.argv) > 1:
        raise ValueError("a real error")
print("told after", file=sys.stderr)
"""


def capture_stderr(*arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False)
    return done.stderr.splitlines()


def test_the_notes_of_libmpg123_are_left_out_and_nothing_else() -> None:
    assert capture_stderr() == ["told at once", "libwhatever: out of memory", "told after"]


def test_an_error_inside_passes_with_what_was_printed_before_it() -> None:
    lines = capture_stderr("fail")
    assert lines[:2] == ["told at once", "libwhatever: out of memory"]
    assert lines[-1] == "ValueError: a real error"
