"""Write JSON to standard output, and whatever the terminal's encoding lacks as escapes."""

from __future__ import annotations

import io
import json
import sys

from senseweave.display import printable_json
from senseweave.redaction import redacted


def print_json(value: object) -> None:
    """Print a value as JSON in which nothing is hidden."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(
        printable_json(json.dumps(redacted(value), indent=2, ensure_ascii=not unicode, default=str)) + "\n"
    )


def write_any_text() -> None:
    """Print what the terminal's encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
