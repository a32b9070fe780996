"""Import heavy libraries late, with the exact install line if a library is missing or broken."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from threading import Lock
from types import ModuleType
from typing import Final

COMPANIONS: Final = ("torchvision", "torchaudio")
"""Packages that work only with the torch they were built for, which their metadata does not always say."""
ASKS_FOR_COMPANIONS: Final = ("transformers", "sentence_transformers", "timm", "open_clip", "mteb")
"""Libraries that import every installed companion, and do not import at all if a companion is broken."""

_broken: dict[str, str] = {}
_checked = False
_lock = Lock()


def require(module: str, *, extra: str, feature: str | None = None) -> ModuleType:
    """Import `module`, or say which extra of senseweave installs it.

    A torchvision or torchaudio built for another torch does not import, and neither does transformers next to it. It is
    set aside with a warning, as if it were not installed, so that only features that need it fail.

    Args:
        module: Dotted name of the module to import.
        extra: The extra of the `senseweave` distribution that installs it.
        feature: The feature that needs it, for the message; the name of the module if None.

    Returns:
        The imported module.

    Raises:
        ImportError: If the module is missing, or is installed but does not import (for example a torchvision
            built for another torch); the message contains the `pip install` line.
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
    """Make companions of torch that do not import look as if they were not installed, once per process.

    Warns:
        RuntimeWarning: For each such companion, with the reason why it does not import.
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
        for part in [module for module in sys.modules if module.partition(".")[0] == name]:
            del sys.modules[part]
        sys.modules[name] = None  # type: ignore[assignment]  # makes Python raise ModuleNotFoundError
        _forget_availability(name)
        warnings.warn(
            f"{name} is installed but does not import, most often because it was built for another torch: {error}; "
            "senseweave continues as if it were not installed",
            RuntimeWarning,
            stacklevel=4,
        )


def _forget_availability(name: str) -> None:
    """Clear the result of earlier checks for the package if transformers is already imported."""
    known = sys.modules.get("transformers.utils.import_utils")
    for check in (f"is_{name}_available", f"is_{name}_v2_available"):
        clear = getattr(getattr(known, check, None), "cache_clear", None)
        if clear is not None:
            clear()


def _state(package: str, error: Exception) -> str:
    missing = (getattr(error, "name", None) or "").partition(".")[0]
    if package in _broken:
        return f"is installed but does not import ({_broken[package]})"
    if missing in _broken:
        return f"does not import without {missing}, which is installed but broken ({_broken[missing]})"
    if importlib.util.find_spec(package) is None:
        return "is not installed"
    return f"is installed but does not import ({error})"
