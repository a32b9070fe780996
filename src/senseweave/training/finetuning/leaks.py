"""The check that no measured row nearly equals a row of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from senseweave.training.data.splits import find_leaks
from senseweave.training.finetuning.comparison import Embed, show_media
from senseweave.training.finetuning.dataset import column_role
from senseweave.training.finetuning.rows import FEWEST_HELD_OUT

COLUMNS: Final = ("anchor", "positive", "other")
"""Columns by which a row may resemble another; negatives are no answers of it."""


def leave_out_leaks(
    measured: Sequence[dict[str, Any]], learned: Sequence[Mapping[str, Any]], embed: Embed
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows that no row of training nearly equals, and what is said of the others.

    Args:
        measured: Rows that a model is to be measured on.
        learned: Rows that it is trained on, or that decide when to stop.
        embed: Embeds as the base does.

    Raises:
        ValueError: If too few rows are left.
    """
    leaks = describe_leaks(measured, learned, embed)
    kept = [row for at, row in enumerate(measured) if at not in leaks]
    if leaks and len(kept) < FEWEST_HELD_OUT:
        msg = (
            f"{len(leaks)} of {len(measured)} held-out rows nearly equal rows of training (first: "
            f"{leaks[min(leaks)]}), which leaves {len(kept)} to measure on; at least {FEWEST_HELD_OUT} are needed: "
            "take near-duplicates out of the data, or give evaluation= pairs"
        )
        raise ValueError(msg)
    return kept, [leaks[at] for at in sorted(leaks)]


def describe_leaks(
    measured: Sequence[Mapping[str, Any]],
    learned: Sequence[Mapping[str, Any]],
    embed: Embed,
    columns: Sequence[str] = COLUMNS,
) -> dict[int, str]:
    """Return for each measured row that nearly equals one of training what resembles what, by the row's position.

    Args:
        measured: Rows that a model is to be measured on.
        learned: Rows that it learns from.
        embed: Embeds as the base does.
        columns: Columns that are compared, where rows have them.
    """
    leaks: dict[int, str] = {}
    for column in columns:
        if column not in measured[0] or column not in learned[0]:
            continue
        items = [row[column] for row in (*measured, *learned)]
        distinct = list(dict.fromkeys(items))
        places = {media: at for at, media in enumerate(distinct)}
        vectors = embed(distinct, column_role(column))[[places[media] for media in items]]
        for leak in find_leaks(column, vectors, np.arange(len(items)) < len(measured)):
            pair = show_media(items[leak.held_out]), show_media(items[leak.training])
            leaks.setdefault(leak.held_out, f"{pair[0]!r} resembles {pair[1]!r} ({leak.similarity:.3f})")
    return leaks
