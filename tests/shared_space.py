"""The small real space of the retrieval tests, as a module that several rooms' tests share."""

from types import ModuleType

from programs import load_program


def tiny_space() -> ModuleType:
    """Return the module `tiny_space`, which also runs as a program; it is imported once."""
    return load_program("tiny_space")
