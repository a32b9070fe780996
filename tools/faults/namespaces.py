"""Programs that may mount what they like, in a namespace of their own, without being root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

NAMESPACE: Final = ("unshare", "--user", "--map-root-user", "--mount")
PROGRAM: Final = "import sys; import {0} as step; step.main(*sys.argv[1:])"


def can_mount(place: Path) -> bool:
    """Return whether this user may mount a disk in memory at a folder."""
    try:
        command = [*NAMESPACE, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def run_in_namespace(step: str, arguments: Sequence[object], seconds: float) -> Any:
    """Call `main` of a module of the campaign where it may mount, and return the JSON that it prints last.

    Raises:
        RuntimeError: If it ended with an error or a signal.
    """
    command = [*NAMESPACE, sys.executable, "-c", PROGRAM.format(step), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, check=False)
    if done.returncode:
        msg = f"exit code {done.returncode}: {done.stderr[-1000:]}"
        raise RuntimeError(msg)
    return json.loads(done.stdout.splitlines()[-1])
