"""Changes of texts, pictures and sounds in training: each off by default, each drawn by the generator it is given.

`senseweave.finetune(..., augment={"text": drop_words(0.1), "image": change_pictures()})` changes an item anew in every
epoch, the same way for the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from senseweave.extras import require

Augment = Callable[[Any, np.random.Generator], Any]
"""Returns a changed copy of a decoded item, drawn by a generator."""


def drop_words(share: float = 0.1) -> Augment:
    """Return a change that leaves each word out with a probability (Wei and Zou 2019, arXiv 1901.11196).

    One word always stays.

    Args:
        share: The probability, at least 0 and below 1.
    """
    _check_share("share", share)

    def change(text: str, draw: np.random.Generator) -> str:
        words = text.split()
        if len(words) < 2:
            return text
        kept = draw.random(len(words)) >= share
        if not kept.any():
            kept[draw.integers(len(words))] = True
        return " ".join(word for word, keep in zip(words, kept, strict=True) if keep)

    return change


def crop_words(least: float = 0.5) -> Augment:
    """Return a change that keeps a run of words (Meng et al. 2021, arXiv 2102.08473, section 3.2).

    Args:
        least: Least share of the words that is kept, above 0 and at most 1.
    """
    _check_share("least", least, whole=True)

    def change(text: str, draw: np.random.Generator) -> str:
        words = text.split()
        kept = max(1, round(len(words) * draw.uniform(least, 1)))
        start = int(draw.integers(len(words) - kept + 1)) if words else 0
        return " ".join(words[start : start + kept]) or text

    return change


def change_pictures(
    *, least: float = 0.5, flip: bool = False, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2
) -> Augment:
    """Return a change that crops a picture, and shifts its colors, by torchvision's transforms (version 2).

    Args:
        least: Least share of the area that is kept, above 0 and at most 1.
        flip: Whether left and right are swapped half of the time; off, since it makes writing and left hands wrong.
        brightness: Largest change of the brightness, as a share; 0 for none.
        contrast: Largest change of the contrast.
        saturation: Largest change of the saturation.
    """
    _check_share("least", least, whole=True)

    def change(picture: Any, draw: np.random.Generator) -> Any:
        transforms = require("torchvision.transforms.v2", extra="image", feature="changing pictures in training")
        torch = require("torch", extra="training")
        width, height = picture.size
        steps = [
            transforms.RandomResizedCrop((height, width), scale=(least, 1.0), antialias=True),
            transforms.ColorJitter(brightness, contrast, saturation),
        ]
        if flip:
            steps.append(transforms.RandomHorizontalFlip())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(draw.integers(2**31)))
            return transforms.Compose(steps)(picture)

    return change


def change_gain(decibels: float = 6.0) -> Augment:
    """Return a change of the loudness of a waveform by up to a number of decibels, louder or softer."""
    _check_decibels(decibels)

    def change(waveform: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        return _like(waveform, waveform * 10 ** (draw.uniform(-decibels, decibels) / 20))

    return change


def add_noise(decibels: float = 30.0) -> Augment:
    """Return a change that adds white noise.

    Args:
        decibels: How far the noise lies below the mean power of the sound; silence stays silent.
    """
    _check_decibels(abs(decibels))  # noise may be louder than the sound

    def change(waveform: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        power = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) if waveform.size else 0.0
        return _like(waveform, waveform + draw.standard_normal(waveform.shape) * power * 10 ** (-decibels / 20))

    return change


def shift_sound(share: float = 0.1) -> Augment:
    """Return a change that moves a waveform in time by up to a share of its length.

    What leaves one end is lost, and silence comes in at the other.
    """
    _check_share("share", share, whole=True)

    def change(waveform: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        length = waveform.shape[-1]
        most = int(length * share)
        by = int(draw.integers(-most, most + 1))
        shifted = np.zeros_like(waveform)
        if by >= 0:
            shifted[..., by:] = waveform[..., : length - by]
        else:
            shifted[..., :by] = waveform[..., -by:]
        return shifted

    return change


def mask_time(share: float = 0.1, count: int = 2) -> Augment:
    """Return a change that silences stretches of a waveform (SpecAugment's time masking, arXiv 1904.08779).

    Args:
        share: Longest stretch, as a share of the length.
        count: How many stretches.
    """
    _check_share("share", share, whole=True)

    def change(waveform: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        masked = waveform.copy()
        length = waveform.shape[-1]
        for _ in range(count):
            stretch = int(draw.integers(int(length * share) + 1))
            start = int(draw.integers(length - stretch + 1))
            masked[..., start : start + stretch] = 0
        return masked

    return change


def chain(*changes: Augment) -> Augment:
    """Return a change that applies several, one after the other."""

    def change(item: Any, draw: np.random.Generator) -> Any:
        for step in changes:
            item = step(item, draw)
        return item

    return change


def _like(waveform: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Return samples of the waveform's own type, between -1 and 1."""
    clipped: np.ndarray = np.clip(changed, -1, 1).astype(waveform.dtype)
    return clipped


def _check_decibels(value: float) -> None:
    if not 0 <= value < math.inf:
        msg = f"decibels must be a finite number of at least 0, not {value}"
        raise ValueError(msg)


def _check_share(name: str, value: float, *, whole: bool = False) -> None:
    if not (0 < value <= 1 if whole else 0 <= value < 1):
        msg = f"{name} must be {'above 0 and at most 1' if whole else 'at least 0 and below 1'}, not {value}"
        raise ValueError(msg)
