"""The command line: `senseweave index`, `search`, `info`, `verify`, `repair`, `eval`, `models` and `demo`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line.

    Exit codes: 0, success; 1, nothing could be added, or `verify` found problems; 2, wrong usage or an
    error, reported in one line; 130, interrupted.
    """
    try:
        from senseweave.cli.app import run

        run()
    except KeyboardInterrupt:  # while libraries are imported
        sys.exit(130)
