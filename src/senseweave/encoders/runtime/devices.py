"""Names of devices: one or several as users give them, by an argument or by the environment."""

from __future__ import annotations

import os
from typing import Any, Final

DEVICE_VARIABLE: Final = "SENSEWEAVE_DEVICE"
"""Environment variable that names the device of models for which none is given, or several, separated by commas."""


def parse_devices(given: Any, *, name: str = "device") -> tuple[str, ...]:
    """Return the devices that a value names, in its order.

    Args:
        given: A string such as `cuda:1` or `cuda:0,cuda:1`, a list of strings, or None.
        name: What errors call the value.

    Returns:
        The names; none for None and for an empty string.

    Raises:
        TypeError: If it is neither, or an item of the list is not a string.
        ValueError: If a list is empty or has an empty item, or a device other than the CPU is named twice.
    """
    if given is None or (isinstance(given, str) and not given):
        return ()
    if isinstance(given, str):
        items: list[Any] = given.split(",")
    elif isinstance(given, (list, tuple)):
        items = list(given)
    else:
        msg = f"{name} must be a string such as 'cuda:0', or a list of such strings, not {given!r}"
        raise TypeError(msg)
    if not items:
        msg = f"{name} is an empty list; name at least one device, or leave it out"
        raise ValueError(msg)
    for position, item in enumerate(items):
        _check_item(f"{name}[{position}]" if len(items) > 1 else name, item)
    devices = tuple(item.strip() for item in items)
    _check_distinct(name, devices)
    return devices


def one_device(given: Any, what: str) -> str | None:
    """Return the one device that a value names, or None.

    Args:
        given: As for `parse_devices`.
        what: What computes on one device alone, for the error.

    Raises:
        TypeError: As `parse_devices`.
        ValueError: As `parse_devices`, or if there are several.
    """
    devices = parse_devices(given)
    if len(devices) > 1:
        msg = f"{what} on one device, not on {', '.join(devices)}; only senseweave.load takes several"
        raise ValueError(msg)
    return devices[0] if devices else None


def default_devices() -> tuple[str, ...]:
    """Return the devices that the environment names; none if it says nothing."""
    return parse_devices(os.environ.get(DEVICE_VARIABLE), name=DEVICE_VARIABLE)


def default_device() -> str | None:
    """Return the device of what computes on one alone: the first that the environment names, or None."""
    return next(iter(default_devices()), None)


def is_processor(device: str | None) -> bool:
    """Return whether a device, or that of SENSEWEAVE_DEVICE if it is None, is the CPU; without one it is, too."""
    return device_kind(device or default_device() or "cpu") == "cpu"


def device_kind(device: str) -> str:
    """Return the kind of a device: its name without its number, such as `cuda` of `cuda:1`."""
    return device.partition(":")[0]


def _check_item(name: str, item: Any) -> None:
    if not isinstance(item, str):
        msg = f"{name} must be a string such as 'cuda:1', not {item!r}"
        raise TypeError(msg)
    if not item.strip() or "," in item:
        msg = f"{name} must name one device, such as 'cuda:1', not {item!r}"
        raise ValueError(msg)


def _check_distinct(name: str, devices: tuple[str, ...]) -> None:
    """Refuse a device that is named twice; only the CPU may be, where a second model may use cores that idle."""
    seen: dict[str, str] = {}
    for device in devices:
        exact = device if ":" in device else f"{device}:0"
        if exact in seen and device_kind(device) != "cpu":
            same = "" if seen[exact] == device else f" ({seen[exact]!r} is the same device)"
            msg = f"{name} names {device!r} twice{same}; name each device once"
            raise ValueError(msg)
        seen[exact] = device
