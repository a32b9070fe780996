"""Peak memory is that of the process that asks, not of the one that started it."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_small_process_of_a_large_parent_is_small():
    held = bytearray(400_000_000)
    held[::4096] = b"x" * len(held[::4096])
    setup = f"import sys; sys.path.insert(0, {str(FOLDER)!r})"
    program = f"{setup}; from measuring import peak_megabytes; print(peak_megabytes())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100
    del held
