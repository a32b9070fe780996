"""Rows of training data as numbers of items, and the batches that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from senseweave.encoders.base import Role
from senseweave.extras import require
from senseweave.media import Media
from senseweave.training.data.augmentation import Augment
from senseweave.training.finetuning.losses import LABEL

ROLES: Mapping[str, Role] = {"anchor": "query"}
"""Roles of columns; others are documents."""


def column_role(column: str) -> Role:
    """Return the role whose prompt a column's texts get."""
    return ROLES.get(column, "document")


@dataclass
class ItemTable:
    """Distinct items, which rows name by their number, so that equal items of a batch are seen to be equal."""

    media: list[Media] = field(default_factory=list)
    numbers: dict[Media, int] = field(default_factory=dict)

    def number(self, media: Media) -> int:
        """Return the number of an item, added if it is new."""
        found = self.numbers.setdefault(media, len(self.media))
        if found == len(self.media):
            self.media.append(media)
        return found


def make_dataset(rows: Sequence[Mapping[str, Any]], table: ItemTable) -> Any:
    """Return the rows as a dataset of the library `datasets`: numbers of items, and labels.

    Args:
        rows: Columns of media by name, and `label`; all rows have the same columns.
        table: Where the items are kept.
    """
    library = require("datasets", extra="training", feature="fine-tuning")
    columns: dict[str, list[Any]] = {
        name: [row[name] if name == LABEL else table.number(row[name]) for row in rows] for name in rows[0]
    }
    return library.Dataset.from_dict(columns)


class Collator:
    """Turns rows of numbers into the tensors of sentence-transformers' losses.

    Attributes:
        epoch: The current epoch. Augmentation draws by it and by the number of the item, so that an item is changed the
            same way whether or not the run was interrupted.
    """

    valid_label_columns = (LABEL,)

    def __init__(
        self,
        preprocess: Callable[[Sequence[Any], Role], dict[str, Any]],
        table: ItemTable,
        *,
        read: Callable[[Media], Any] = Media.decode,
        augment: Mapping[str, Augment] | None = None,
        seed: int = 0,
    ) -> None:
        """Collate by a model's own preparation.

        Args:
            preprocess: Returns the tensors of decoded items of a role.
            table: The items.
            read: Returns an item of the table as `preprocess` takes it.
            augment: Changes of items in training, by modality.
            seed: Of those changes.
        """
        self.preprocess = preprocess
        self.table = table
        self.read = read
        self.augment = augment or {}
        self.seed = seed
        self.epoch = 0

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return `{column}_{tensor}` for every column, and `label`."""
        torch = require("torch", extra="training")
        batch: dict[str, Any] = {}
        for position, column in enumerate(name for name in rows[0] if name != LABEL):
            items = [self._item(row[column], position) for row in rows]
            features = self.preprocess(items, column_role(column))
            batch |= {f"{column}_{name}": value for name, value in features.items()}
        if LABEL in rows[0]:
            batch["label"] = torch.tensor(np.asarray([row[LABEL] for row in rows], dtype=np.float32))
        return batch

    def _item(self, number: int, position: int) -> Any:
        media = self.table.media[number]
        item = self.read(media)
        change = self.augment.get(media.modality)
        if change is None:
            return item
        return change(item, np.random.default_rng((self.seed, self.epoch, number, position)))
