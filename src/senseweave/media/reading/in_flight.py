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

BLOCK_BYTES: Final = 64 * 1024**2
"""Size of the blocks in which Pillow takes memory: glibc keeps freed blocks of up to 32 MB, for each thread its own."""
BLOCKS_KEPT: Final = 2
"""Such blocks that Pillow itself keeps while several pictures are decoded: two photos of 12 megapixels."""

_own = threading.local()
_open_blocks = 0
_before = (0, 0)
"""Blocks that Pillow kept and their size before the first `managing_memory` block that is open."""
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
def managing_memory() -> Iterator[None]:
    """Let Pillow use the memory of freed pictures for the next ones, or give it back, within a `with` block.

    Memory for each picture anew costs as much time as decoding it: 48 MB for 12 megapixels, a page at a time. In blocks
    of 16 MB, Pillow's usual size, glibc would keep what each thread has freed.
    """
    global _open_blocks, _before
    from PIL import Image

    core: Any = vars(Image)["core"]
    with _lock:
        if not _open_blocks:
            _before = core.get_blocks_max(), core.get_block_size()
            core.set_blocks_max(max(BLOCKS_KEPT, _before[0]))
            core.set_block_size(max(BLOCK_BYTES, _before[1]))
        _open_blocks += 1
    try:
        yield
    finally:
        with _lock:
            _open_blocks -= 1
            if not _open_blocks:
                core.set_blocks_max(_before[0])
                core.set_block_size(_before[1])


def _room_here() -> _Room:
    """Return the budget of this process; a forked child begins with a whole one."""
    global _room
    with _lock:
        if _room.made_after != forks():
            _room = _Room(forks())
        return _room
