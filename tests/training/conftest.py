"""Makes the modules that build tiny models and data importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "encoders" / "tiny")]
