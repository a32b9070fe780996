"""The command line `senseweave`: `senseweave --help` lists its commands."""

from __future__ import annotations

import sys

from senseweave.cli.collector import no_collections
from senseweave.cli.pipes import open_closed_streams


def main() -> None:
    """Run the command line.

    Exit codes: 0, success; 1, nothing could be added, the index is empty, or `verify` found problems; 2, wrong usage
    or an error, reported in one line; 130, interrupted; 141, nobody
    reads the output any more.
    """
    open_closed_streams()
    try:
        with no_collections():
            from senseweave.cli.app import run

            run()
    except KeyboardInterrupt:  # while libraries are imported
        sys.exit(130)
