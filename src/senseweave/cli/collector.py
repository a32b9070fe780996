"""Python's garbage collector while the command line starts and ends.

It walks through all objects again and again as libraries are imported, whose objects stay until the end, and once more
when the process ends.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BRIEF = ("search", "list", "info", "models")
"""Commands that end soon after their imports, and leave what garbage they make to the end of the process."""


@contextmanager
def no_collections() -> Iterator[None]:
    """Collect no garbage within a block, unless `resume_collections` is called, nor what is alive at its end.

    Where torch is loaded, what is alive at the end is collected all the same: Triton's bindings (3.9, by nanobind)
    otherwise print every object that the end of the process has not freed, some 25 lines of "nanobind: leaked ...".
    """
    gc.disable()
    try:
        yield
    finally:
        resume_collections()
        if "torch" in sys.modules:
            gc.unfreeze()


def resume_collections() -> None:
    """Collect garbage again, but none of the objects that are alive now."""
    gc.freeze()
    gc.enable()
