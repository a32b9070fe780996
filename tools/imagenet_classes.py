"""Writes `src/senseweave/encoders/weights/imagenet_classes.txt` again: the 1,000 ImageNet classes by timm's lists.

    python tools/imagenet_classes.py

A line is a class, in the order of a classifier's scores: WordNet's lemmas, and its definition.
"""

from __future__ import annotations

from pathlib import Path

from timm.data import ImageNetInfo

TARGET = Path(__file__).parents[1] / "src/senseweave/encoders/weights/imagenet_classes.txt"


def describe_classes() -> str:
    """Return the lines of the file."""
    names = ImageNetInfo()
    return "".join(f"{names.index_to_description(index, detailed=True)}\n" for index in range(1000))


if __name__ == "__main__":
    TARGET.write_text(describe_classes(), encoding="utf-8")
