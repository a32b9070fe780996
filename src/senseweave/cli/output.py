"""Write JSON to standard output."""

from __future__ import annotations

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
