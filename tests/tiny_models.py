"""The modules that build tiny models for the tests of encoders, for tests elsewhere."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

FOLDER = str(Path(__file__).parent / "encoders" / "tiny")


def import_tiny(name: str) -> ModuleType:
    """Return a module of `encoders/tiny`, which may import others there."""
    sys.path.insert(0, FOLDER)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(FOLDER)
