"""The command line: `senseweave index`, `search`, `info`, `eval`, `models` and `demo`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line.

    Exit codes: 0, done; 1, nothing could be added; 2, a mistake or an error, told in one line; 130, interrupted.
    """
    try:
        from senseweave.cli.app import run

        run()
    except KeyboardInterrupt:  # while the libraries are imported
        sys.exit(130)
