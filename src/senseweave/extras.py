"""Late imports of heavy libraries, with the exact install line when one is missing or broken."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from threading import Lock
from types import ModuleType
from typing import Final

COMPANIONS: Final = ("torchvision", "torchaudio")
"""Packages that work with the torch they were built for alone, and do not always say so to pip."""
ASKS_FOR_COMPANIONS: Final = ("transformers", "sentence_transformers", "timm", "open_clip", "mteb")
"""Libraries that import the companions wherever they find them, and fail as a whole when one is broken."""

_broken: dict[str, str] = {}
_checked = False
_lock = Lock()


def require(module: str, *, extra: str, feature: str | None = None) -> ModuleType:
    """Import `module`, or explain which extra of senseweave brings it.

    A torchvision or torchaudio that was built for another torch does not import, and takes transformers with it. It is
    set aside with a warning, as if it were not installed, so that only the features that need it fail.

    Args:
        module: Dotted name of the module to import.
        extra: The extra of the `senseweave` distribution that installs it.
        feature: What needs it, for the message; the module's name if None.

    Returns:
        The imported module.

    Raises:
        ImportError: If the module is missing, or is installed but does not import (for example a torchvision
            that was built for another torch); the message holds the `pip install` line.
    """
    package = module.partition(".")[0]
    if package in ASKS_FOR_COMPANIONS:
        set_aside_broken_companions()
    try:
        return importlib.import_module(module)
    except Exception as error:  # a broken binary raises OSError or RuntimeError as readily as ImportError
        state = _state(package, error)
        msg = f'{feature or module} needs {package}, which {state}; try: pip install "senseweave[{extra}]"'
        raise ImportError(msg) from error


def set_aside_broken_companions() -> None:
    """Make companions of torch that do not import look as if they were not installed; once a process.

    Warns:
        RuntimeWarning: Naming each of them, and why it does not import.
    """
    global _checked
    with _lock:
        if _checked or importlib.util.find_spec("torch") is None:
            return
        _checked = True
        for name in COMPANIONS:
            if sys.modules.get(name) is None and importlib.util.find_spec(name) is not None:
                _set_aside_if_broken(name)


def _set_aside_if_broken(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:
        _broken[name] = str(error)
        for part in [one for one in sys.modules if one.partition(".")[0] == name]:
            del sys.modules[part]
        sys.modules[name] = None  # type: ignore[assignment]  # how Python is told that there is no such module
        _forget_availability(name)
        warnings.warn(
            f"{name} is installed but does not import, most often because it was built for another torch: {error} "
            "senseweave goes on as if it were not installed; what needs it will say so",
            RuntimeWarning,
            stacklevel=4,
        )


def _forget_availability(name: str) -> None:
    """Let a transformers that was imported before look for the package again."""
    known = sys.modules.get("transformers.utils.import_utils")
    for one in (f"is_{name}_available", f"is_{name}_v2_available"):
        forget = getattr(getattr(known, one, None), "cache_clear", None)
        if forget is not None:
            forget()


def _state(package: str, error: Exception) -> str:
    halted = (getattr(error, "name", None) or "").partition(".")[0]
    if package in _broken:
        return f"is installed but does not import ({_broken[package]})"
    if halted in _broken:
        return f"does not import without {halted}, which is installed but broken ({_broken[halted]})"
    if importlib.util.find_spec(package) is None:
        return "is not installed"
    return f"is installed but does not import ({error})"
