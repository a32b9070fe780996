"""What the options of `senseweave.finetune` can be, checked before a model is loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

from senseweave.media import MODALITIES


def check_numbers(
    *,
    epochs: float,
    batch_size: int,
    batch_items: int | None,
    learning_rate: float | None,
    warmup: float,
    weight_decay: float,
    patience: int,
    hard_negatives: int,
    distinct: bool,
) -> None:
    """Check the numbers of a run.

    Args:
        epochs: Passes over the rows.
        batch_size: Rows of a step.
        batch_items: Rows in memory at once.
        learning_rate: Of AdamW.
        warmup: Share of steps.
        weight_decay: Of AdamW.
        patience: Evaluations without a better score.
        hard_negatives: Mined for each row.
        distinct: Whether the other rows of a batch are the negatives of a row.

    Raises:
        ValueError: If one is impossible.
    """
    least = 2 if distinct else 1
    _check("epochs", epochs, "a number above 0", lambda value: value > 0)
    _check("learning_rate", learning_rate, "a number above 0", lambda value: value > 0)
    _check("warmup", warmup, "a share from 0 to 1", lambda value: 0 <= value <= 1)
    _check("weight_decay", weight_decay, "a number of at least 0", lambda value: value >= 0)
    why = ", since the other rows of a batch are the negatives" if distinct else ""
    _check("batch_size", batch_size, f"a whole number of at least {least}{why}", lambda value: value >= least)
    _check("batch_items", batch_items, "a whole number of at least 1", lambda value: value >= 1)
    _check("patience", patience, "a whole number of at least 0", lambda value: value >= 0)
    _check("hard_negatives", hard_negatives, "a whole number of at least 0", lambda value: value >= 0)


def _check(name: str, value: Any, expected: str, fits: Callable[[Any], bool]) -> None:
    if value is None:
        return
    kinds = (int,) if expected.startswith("a whole") else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value) or not fits(value):
        msg = f"{name} must be {expected}, not {value!r}"
        raise ValueError(msg)


def check_changes(matryoshka: Any, augment: Any) -> None:
    """Check numbers of dimensions and changes of items.

    Raises:
        ValueError: If a number of dimensions is impossible, or a change is none, or of no modality.
    """
    listed = isinstance(matryoshka, Sequence) and not isinstance(matryoshka, str)
    if not listed or not all(isinstance(size, Integral) and int(size) > 0 for size in matryoshka):
        msg = f"matryoshka must be a list of numbers of dimensions, such as [64, 128], not {matryoshka!r}"
        raise ValueError(msg)
    if augment is None:
        return
    if not isinstance(augment, Mapping) or not all(
        modality in MODALITIES and callable(change) for modality, change in augment.items()
    ):
        msg = (
            f"augment must give a change by modality ({', '.join(MODALITIES)}), such as {{'text': drop_words(0.1)}} of "
            f"senseweave.training.data.augmentation, not {augment!r}"
        )
        raise ValueError(msg)


def check_loss_options(
    loss: str, *, teacher: Any, guide: str | None, hard_negatives: int, batch_items: int | None
) -> None:
    """Check options that only some losses take.

    Raises:
        ValueError: If an option is of another loss, or one that the loss needs is missing.
    """
    taken = {
        "teacher": (teacher is not None, ("distill", "margin")),
        "guide": (guide is not None, ("mnrl",)),
        "hard_negatives": (hard_negatives > 0, ("mnrl", "triplet")),
        "batch_items": (batch_items is not None, ("mnrl", "simcse")),
    }
    for option, (given, losses) in taken.items():
        if given and loss not in losses:
            msg = f"{option} is an option of the loss {' and '.join(map(repr, losses))}, not of {loss!r}"
            raise ValueError(msg)
    if teacher is None and loss in ("distill", "margin"):
        msg = f"the loss {loss!r} needs a teacher="
        raise ValueError(msg)
