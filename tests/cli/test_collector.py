"""The garbage collector at the end of a command: skipped, but where torch's bindings report what was not freed."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import gc, sys, types
from senseweave.cli.collector import no_collections
with no_collections():
    if sys.argv[1] == "torch":
        sys.modules["torch"] = types.ModuleType("torch")
print(gc.get_freeze_count() > 0, gc.isenabled())
"""


@pytest.mark.parametrize(("loaded", "skipped"), [("nothing", True), ("torch", False)])
def test_the_last_collection_is_skipped_unless_torch_is_loaded(loaded: str, skipped: bool) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, loaded], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [str(skipped), "True"]
