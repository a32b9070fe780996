"""What a row of the matrix is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A kind of file.

    Attributes:
        kind: What people call it.
        gives: The media that it must give, as the first lines of `matrix.py` say.
        build: Returns the bytes of a file, given the encoders of test content.
        suffix: What the name of the file ends with.
    """

    kind: str
    gives: str
    build: Callable[[Any], bytes]
    suffix: str = ""

    @property
    def is_partly_read(self) -> bool:
        """Whether notes say that only a part was read."""
        return self.gives.endswith(PARTLY)

    @property
    def media(self) -> list[tuple[str, str]]:
        """What the file gives, in order: a modality or `refused`, and what to check of it."""
        items = [item.partition(" ") for item in self.gives.removesuffix(PARTLY).split(" + ")]
        return [(modality, detail) for modality, _, detail in items]


PARTLY = " (partly)"


def words(text: str, encoding: str = "utf-8", before: bytes = b"") -> Callable[[Any], bytes]:
    """A text file."""
    return lambda make: before + text.encode(encoding)
