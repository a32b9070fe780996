"""Pixels in flight: how much of decoded pictures and clips is in memory at once, whatever the number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from senseweave.forking import Lock, forks

PIXELS_IN_FLIGHT: Final = 64_000_000
"""Pixels that are decoded and not yet prepared, in the whole process: one photo of 64 megapixels, five of 12, or a clip
of 16 frames in 4K alone. A picture or clip that is larger than all of it is decoded while no other is."""

BLOCKS_KEPT: Final = 8
"""Blocks of 16 MB that Pillow keeps while several pictures are decoded: two photos of 12 megapixels."""

_own = threading.local()
_reusing: list[int] = []
"""What Pillow kept before each `reusing_memory` block that is open; the first is what it keeps after the last."""
_lock = Lock()


class _Room:
    """What is left of the budget in this process."""

    def __init__(self, made_after: int) -> None:
        self.made_after = made_after
        self.free = PIXELS_IN_FLIGHT
        self.changed = threading.Condition()

    def take(self, pixels: int) -> None:
        with self.changed:
            while self.free < pixels and self.free < PIXELS_IN_FLIGHT:  # whoever is alone may take more than there is
                self.changed.wait()
            self.free -= pixels

    def give_back(self, pixels: int) -> None:
        with self.changed:
            self.free += pixels
            self.changed.notify_all()


class _Claim:
    """What this thread has taken."""

    def __init__(self, room: _Room) -> None:
        self.room = room
        self.pixels = 0


_room = _Room(forks())


@contextmanager
def decoding() -> Iterator[None]:
    """Hold what `claim_pixels` takes within a `with` block, in which this thread decodes and prepares one input."""
    before = getattr(_own, "claim", None)
    claim = _own.claim = _Claim(_room_here())
    try:
        yield
    finally:
        _own.claim = before
        if claim.pixels:
            claim.room.give_back(claim.pixels)


def claim_pixels(pixels: int) -> None:
    """Wait until so many pixels may be decoded in this thread's `decoding` block; return at once outside of one.

    An input that claims again, for its next window or for a picture inside it, is counted by the largest of its claims;
    the first is the one that waits, so that two inputs never wait for each other.
    """
    claim: _Claim | None = getattr(_own, "claim", None)
    if claim is None or pixels <= claim.pixels:
        return
    if claim.pixels:
        claim.room.give_back(claim.pixels - pixels)
    else:
        claim.room.take(pixels)
    claim.pixels = pixels


@contextmanager
def reusing_memory() -> Iterator[None]:
    """Let Pillow keep the memory of pictures that are freed for the next ones, within a `with` block.

    Memory for each picture anew costs as much time as decoding it: 48 MB for 12 megapixels, a page at a time.
    """
    from PIL import Image

    core: Any = vars(Image)["core"]
    with _lock:
        before = _reusing[0] if _reusing else core.get_blocks_max()
        _reusing.append(before)
        core.set_blocks_max(max(BLOCKS_KEPT, before))
    try:
        yield
    finally:
        with _lock:
            _reusing.pop()
            if not _reusing:
                core.set_blocks_max(before)


def _room_here() -> _Room:
    """Return the budget of this process; a forked child begins with a whole one."""
    global _room
    with _lock:
        if _room.made_after != forks():
            _room = _Room(forks())
        return _room
