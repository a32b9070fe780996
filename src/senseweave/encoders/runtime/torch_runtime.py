"""Devices, number types and lazy, locked loading: what every encoder on torch shares."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

from senseweave.display import shorten
from senseweave.encoders.runtime.checkpoint import seeing
from senseweave.encoders.runtime.devices import default_device, one_device
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.forking import RLock, abandon, call_in_child, forks

T = TypeVar("T")

DTYPES = ("float32", "bfloat16", "float16")


class Lazy(Generic[T]):
    """A value that is made on first use, once, whichever thread comes first; and made again after `close`."""

    def __init__(self, make: Callable[[], T], *, survives_fork: bool = True) -> None:
        """Describe the value.

        Args:
            make: Makes it.
            survives_fork: Whether a forked child can use the parent's value; what computes in threads of its own or
                holds connections cannot be used there, and is made again.
        """
        self._make = make
        self._lock = RLock()
        self._value: T | None = None
        self._forked = False
        if not survives_fork:
            call_in_child(self._leave_to_parent)

    def __call__(self) -> T:
        """Return the value, making it if needed."""
        value = self._value  # read once: another thread may close at any time
        if value is None:
            with self._lock:
                value = self._value
                if value is None:
                    with seeing("content"):  # what is made for an identity is made as for any other use
                        value = self._value = self._made_in_child() if self._forked else self._make()
        return value

    def load(self) -> None:
        """Make the value now, if it is not there yet."""
        self()

    def close(self) -> None:
        """Free the value; the next use makes it again."""
        with self._lock:
            self._value = None

    def _leave_to_parent(self) -> None:
        abandon(self._value)
        self._value, self._forked = None, True

    def _made_in_child(self) -> T:
        """Make the value in a new thread: OpenMP hangs in the thread that forked if it has used it before."""
        with ThreadPoolExecutor(1, "senseweave-load") as threads:
            return threads.submit(self._make).result()


class Part(Protocol):
    """What can be loaded before it is used, and freed."""

    def load(self) -> None:
        """Load the model now; nothing happens if it is loaded."""

    def close(self) -> None:
        """Free the model; the next use loads it again."""


class Loadable:
    """Something of parts that are loaded when they are first used.

    Attributes:
        parts: What it loads and frees: lazy values, and other things of parts.
    """

    parts: tuple[Part, ...] = ()

    def load(self) -> None:
        """Load every part now, so that the first use is as quick as the next; nothing happens to what is loaded."""
        for part in self.parts:
            part.load()

    def close(self) -> None:
        """Free every part; the next use loads it again."""
        for part in self.parts:
            part.close()


def to_device(tensor: Any, device: Any, dtype: Any = None) -> Any:
    """Return a tensor on a device; to a CUDA device from pinned memory, while the caller goes on.

    What the device computes next waits for the copy, and torch keeps the pinned memory until it is done.

    Args:
        tensor: The tensor.
        device: Where it goes.
        dtype: Its number type there; as it is if None.
    """
    if dtype is not None:
        tensor = tensor.to(dtype)
    if tensor.device.type == "cpu" and str(device).startswith("cuda"):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def pick_device(device: str | None, *, extra: str = "text") -> str:
    """Return `device`, or the first of SENSEWEAVE_DEVICE, or the best device there is: cuda, mps or cpu.

    Raises:
        ModelError: If it is CUDA, and this process was forked from one that had used CUDA.
        ValueError: If torch knows no such device, this machine has none, or several are named.
    """
    torch = require("torch", extra=extra)
    device = one_device(device, "this computes") or default_device()
    if device:
        try:
            known = torch.device(device)
        except RuntimeError as error:
            msg = f"device {device!r} is not known to torch; expected cpu, cuda, cuda:1, mps or another of its devices"
            raise ValueError(msg) from error
        if known.type == "cuda":
            check_fork()
            _check_cuda(device, known.index)
        elif known.type != "cpu":
            _check_computes(device)
        return str(known)
    if torch.cuda.is_available():
        check_fork()
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def check_device(device: str) -> None:
    """Check that a device is there, if torch is installed, without which nothing computes on it.

    Raises:
        ModelError: As `pick_device`.
        ValueError: As `pick_device`.
    """
    if importlib.util.find_spec("torch") is not None:
        pick_device(device)


def _check_cuda(device: str, index: int | None) -> None:
    """Check that torch sees a CUDA device, rather than let it fail while weights are moved.

    Raises:
        ValueError: If it does not.
    """
    torch = require("torch", extra="text")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (index or 0) >= count:
        seen = ", ".join(f"cuda:{number}" for number in range(count)) or "no CUDA device"
        msg = f"device {device!r} is not there: torch {torch.__version__} sees {seen}"
        raise ValueError(msg)


def _check_computes(device: str) -> None:
    """Check that torch computes on a device that it knows by name, such as `mps` or `xpu`.

    Raises:
        ValueError: If it does not, as where it was built without.
    """
    torch = require("torch", extra="text")
    try:
        torch.zeros(1, device=device).cpu()
    except Exception as error:  # each kind of device fails in its own way
        said = shorten(str(error).partition("\n")[0], 200)
        msg = (
            f"device {device!r} is not there: torch {torch.__version__} cannot compute on it "
            f"({type(error).__name__}: {said})"
        )
        raise ValueError(msg) from error


def check_fork() -> None:
    """Check that CUDA can be used, which a child cannot that was forked after its parent had used it.

    Raises:
        ModelError: If this is such a child.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda._is_in_bad_fork():
        raise forked_cuda_error()


def check_fork_failure(error: BaseException) -> None:
    """Check that a computation did not fail because its model stands on a CUDA device that a parent process has used.

    Libraries that use CUDA without torch, such as CTranslate2, only say that it does not start.

    Raises:
        ModelError: If it did.
    """
    said = str(error)
    if "cuda" in said.lower():
        check_fork()
        if forks() and "initializ" in said.lower():
            raise forked_cuda_error() from error


def forked_cuda_error() -> ModelError:
    """Return the error of a child that was forked after its parent had used CUDA."""
    return ModelError(
        "this process was forked from one that had used CUDA, which does not work in forked children: start "
        "processes with the method 'spawn', use the model in children only, or load it with device='cpu'"
    )


def pick_dtype(dtype: str | None, *, extra: str = "text") -> Any:
    """Return the torch dtype of that name; float32 for None.

    Raises:
        ValueError: If the name is not in `DTYPES`.
    """
    torch = require("torch", extra=extra)
    name = dtype or "float32"
    if name not in DTYPES:
        msg = f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}"
        raise ValueError(msg)
    return getattr(torch, name)


def is_half(dtype: str | None) -> bool:
    """Return whether a number type has half the bits of float32."""
    return dtype in ("bfloat16", "float16")


def _compute_on_one_core() -> None:
    """Keep torch from waiting in a forked child for OpenMP's threads, which only the parent has.

    GNU OpenMP hangs at the first parallel loop of a thread that has run one before the fork (GCC bug 58378).
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_compute_on_one_core)
