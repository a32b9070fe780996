"""Import heavy libraries late, with the exact install line if a library is missing or broken."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from senseweave.display import printable
from senseweave.errors import MissingReaderError
from senseweave.forking import Lock

COMPANIONS: Final = ("torchvision", "torchaudio")
"""Packages that work only with the torch they were built for, which their metadata does not always say."""
ASKS_FOR_COMPANIONS: Final = ("transformers", "sentence_transformers", "timm", "open_clip", "mteb")
"""Libraries that import every installed companion, and do not import at all if a companion is broken."""
TELEMETRY_SETTINGS: Final = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")
"""Environment variables, of different versions, that keep onnxruntime from starting its telemetry when it is imported:
later it can only be told to send no more, when it has written an identifier below the home folder and started a thread,
for which a forked child waits forever when it ends."""
STARTS_TELEMETRY: Final = ("onnxruntime", "faster_whisper", "chromadb")
"""Libraries that are onnxruntime, or import it later by themselves."""
REPORTERS: Final = {"openvino": "openvino_telemetry"}
"""Libraries that report to their makers that they are imported, with the package that does it, without which they work
as well: that of openvino writes an identifier below the home folder and forks the process in a thread to send it."""

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
        feature: The feature that needs it, for the message; "this" if None.

    Returns:
        The imported module.

    Raises:
        ImportError: If the module is missing, or is installed but does not import (for example a torchvision
            built for another torch); the message contains the `pip install` line.
    """
    package = module.partition(".")[0]
    if package in ASKS_FOR_COMPANIONS:
        set_aside_broken_companions()
    if package in STARTS_TELEMETRY:
        for variable in TELEMETRY_SETTINGS:
            os.environ.setdefault(variable, "1")
    try:
        with _without_reporter(package):
            return importlib.import_module(module)
    except Exception as error:  # a broken binary raises OSError or RuntimeError as readily as ImportError
        state = _state(package, error)
        msg = f'{feature or "this"} needs {package}, which {state}; try: pip install "senseweave[{extra}]"'
        raise ImportError(msg) from error


@contextmanager
def _without_reporter(package: str) -> Iterator[None]:
    """Import a library inside a `with` block as if what reports it to its makers were not installed."""
    reporter = REPORTERS.get(package)
    if reporter is None or reporter in sys.modules or package in sys.modules:
        yield
        return
    sys.modules[reporter] = None  # type: ignore[assignment]  # which importlib takes for a package that is not there
    try:
        yield
    finally:
        sys.modules.pop(reporter, None)


def require_reader(module: str, *, extra: str, feature: str, source: str) -> ModuleType:
    """Import what reads an input, as `require` does; if it is missing, only that input fails.

    Args:
        module: Dotted name of the module to import.
        extra: The extra of the `senseweave` distribution that installs it.
        feature: The feature that needs it, for the message.
        source: Name of the input.

    Raises:
        MissingReaderError: If the module is missing or does not import; the message contains the `pip install` line.
    """
    try:
        return require(module, extra=extra, feature=feature)
    except ImportError as error:
        raise MissingReaderError(source, str(error)) from error


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Turn an ImportError of what reads an input, such as a reader of another package, into a failure of that input.

    Raises:
        MissingReaderError: In place of an ImportError.
    """
    try:
        yield
    except MissingReaderError:
        raise
    except ImportError as error:
        raise MissingReaderError(source, str(error)) from error


def set_aside_broken_companions() -> None:
    """Keep transformers from importing companions of torch that do not import; checked once per process.

    Warns:
        RuntimeWarning: For each such companion, with the reason why it does not import.
    """
    global _checked
    with _lock:
        if _checked or importlib.util.find_spec("torch") is None:
            return
        _checked = True
        for name in COMPANIONS:
            if name not in sys.modules and importlib.util.find_spec(name) is not None:
                _set_aside_if_broken(name)


def _set_aside_if_broken(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:
        _broken[name] = str(error)
        # Python forgets a package that fails to import, but not its submodules. A later import would continue from them
        # and report another error, and a library that finds them would take the package for imported.
        for part in [module for module in sys.modules if module.partition(".")[0] == name]:
            del sys.modules[part]
        _tell_transformers(name)
        warnings.warn(
            f"{name} is installed but does not import, most often because it was built for another torch: "
            f"{printable(str(error))}; "
            "senseweave continues as if it were not installed",
            RuntimeWarning,
            stacklevel=4,
        )


def _tell_transformers(name: str) -> None:
    """Let transformers find that a package is not available; it asks once per process and remembers the answer.

    transformers 5 has no setting for this, so the function that looks for packages is replaced while it is asked.
    """
    if importlib.util.find_spec("transformers") is None:
        return
    known: Any = importlib.import_module("transformers.utils.import_utils")
    look = known._is_package_available

    def look_elsewhere(package: str, *options: Any, **more: Any) -> Any:
        found = look(package, *options, **more)
        if package != name:
            return found
        return (False, None) if isinstance(found, tuple) else False

    known._is_package_available = look_elsewhere
    try:
        for check in (f"is_{name}_available", f"is_{name}_v2_available"):
            available = getattr(known, check, None)
            if available is not None:
                available.cache_clear()
                available()
    finally:
        known._is_package_available = look


def _state(package: str, error: Exception) -> str:
    if package in _broken:
        return f"is installed but does not import ({_broken[package]})"
    frames = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    culprit = next((name for name in (module.partition(".")[0] for module in frames) if name in _broken), None)
    if culprit is not None:
        return f"does not import without {culprit}, which is installed but broken ({_broken[culprit]})"
    if importlib.util.find_spec(package) is None:
        return "is not installed"
    return f"is installed but does not import ({error})"
