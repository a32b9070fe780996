"""The command line: `senseweave index`, `search`, `info`, `eval`, `models` and `demo`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; expected errors become one line and exit code 2."""
    from senseweave.cli.app import run

    run()
