"""The small real space of the retrieval tests, as a module that several rooms' tests share."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PROGRAM = Path(__file__).parent / "retrieval" / "tiny_space.py"
NAME = "senseweave_tests_tiny_space"


def tiny_space() -> ModuleType:
    """Return the module `tiny_space`, which also runs as a program; it is imported once."""
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(NAME, PROGRAM)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = module
        spec.loader.exec_module(module)
    return sys.modules[NAME]
