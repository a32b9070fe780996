"""Compare two items by what they are: pictures by their pixels, recordings by their sound, texts by their words."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from PIL import Image as PILImage

from senseweave.errors import MediaError
from senseweave.explore.duplicates.items import Item
from senseweave.explore.duplicates.pictures import Look, look_at, picture_score
from senseweave.explore.duplicates.sounds import RATE, fingerprint, sound_score
from senseweave.explore.duplicates.texts import shingles, text_score
from senseweave.media import Video
from senseweave.media.fused import Fused

KEPT: Final = 4096
"""Items whose features are kept while pairs are compared."""
FRAMES: Final = 5
"""Frames of a video that are compared."""
SAME_LENGTH: Final = 0.05
"""Share by which two videos may differ in length for their frames to be compared one by one."""


class Comparison:
    """Compares items; each is read once as long as `KEPT` others were not read since.

    Attributes:
        unread: By name of the item, why it could not be read.
    """

    def __init__(self) -> None:
        self.unread: dict[str, str] = {}
        self._features = lru_cache(maxsize=KEPT)(self._read)
        self._items: dict[int, Item] = {}

    def score(self, first: Item, second: Item) -> float:
        """Return how surely two items of one modality are copies, from 0 to 1; 0 if one of them cannot be read."""
        a, b = (self._kept(item) for item in (first, second))
        if a is None or b is None:
            return 0.0
        if first.modality == "text":
            return text_score(a, b)
        if first.modality == "image":
            return picture_score(a, b)
        if first.modality == "audio":
            return sound_score(a, b)
        return _video_score(a, b)

    def size(self, item: Item) -> tuple[float, int]:
        """Return the size of an item, as `Copy` has it, and its bytes; 0 for what cannot be read."""
        if item.modality == "text":
            characters = sum(map(len, item.texts))
            return float(characters), characters
        try:
            media = item.media()
            if item.modality == "image":
                look = self._kept(item)
                return float(look.pixels if look is not None else 0), media.size
            return float(media.duration or 0), media.size
        except MediaError as error:
            self.unread.setdefault(item.name, error.reason)
            return 0.0, 0

    def scan_pixels(self, item: Item) -> int:
        """Return the number of pixels of the picture that fills a page of a document; 0 if none does."""
        from senseweave.media.documents import document_reader

        try:
            media = item.media()
            return document_reader(media._source.content, media.source).picture_pixels(media._source, media.page or 1)
        except MediaError as error:
            self.unread.setdefault(item.name, error.reason)
            return 0

    def _kept(self, item: Item) -> Any:
        self._items[id(item)] = item  # keeps the id its own
        return self._features(id(item))

    def _read(self, identity: int) -> Any:
        """Return what is compared of an item, or None if it cannot be read."""
        item = self._items[identity]
        if item.modality == "text":
            return shingles(item.texts)
        try:
            media = item.media()
            if isinstance(media, Fused):
                raise MediaError(item.source, "is fused of several media, which are compared as a whole alone")
            if item.modality == "image":
                return look_at(media.decode())
            if isinstance(media, Video):
                return _read_video(media)
            return fingerprint(media.decode(sampling_rate=RATE))
        except MediaError as error:
            self.unread.setdefault(item.name, error.reason)
            return None


def _read_video(media: Video) -> tuple[float, list[Look], np.ndarray]:
    """Return the length of a video, some of its frames, and the fingerprint of its sound."""
    clip = media.decode(frames=FRAMES)
    looks = [look_at(PILImage.fromarray(frame)) for frame in clip.frames]
    try:
        sound = fingerprint(media.sound().decode(sampling_rate=RATE))
    except MediaError:  # it has none
        sound = np.zeros((0, 1), np.int8)
    return float(media.duration or 0), looks, sound


def _video_score(first: tuple[float, list[Look], np.ndarray], second: tuple[float, list[Look], np.ndarray]) -> float:
    """Return how surely two videos are copies: by their frames if they are equally long, else by their sound."""
    (length, looks, sound), (other_length, other_looks, other_sound) = first, second
    if abs(length - other_length) <= SAME_LENGTH * max(length, other_length) and len(looks) == len(other_looks):
        return float(np.mean([picture_score(a, b) for a, b in zip(looks, other_looks, strict=True)]))
    return sound_score(sound, other_sound) if sound.shape[1] == other_sound.shape[1] else 0.0
