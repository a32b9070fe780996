"""Late imports of heavy libraries, with the exact install line when one is missing or broken."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType


def require(module: str, *, extra: str, feature: str | None = None) -> ModuleType:
    """Import `module`, or explain which extra of senseweave brings it.

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
    try:
        return importlib.import_module(module)
    except Exception as error:  # a broken binary raises OSError or RuntimeError as readily as ImportError
        package = module.partition(".")[0]
        missing = importlib.util.find_spec(package) is None
        state = "is not installed" if missing else f"is installed but does not import ({error})"
        msg = f'{feature or module} needs {package}, which {state}; try: pip install "senseweave[{extra}]"'
        raise ImportError(msg) from error
