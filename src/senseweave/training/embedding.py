"""The vectors of pairs: each media is embedded once, and used by every method."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from senseweave.encoders.parts.heads import unit
from senseweave.errors import MediaError, UnsupportedModalityError
from senseweave.media import Media
from senseweave.progress import Counter
from senseweave.spaces import Space
from senseweave.training.data.pairs import OnError, Pair, PairData
from senseweave.training.data.splits import group_rows, media_keys
from senseweave.training.measures import distinct
from senseweave.training.methods.base import PairVectors


@dataclass(frozen=True)
class EmbeddedPairs:
    """Pairs with their vectors.

    Attributes:
        pairs: The pairs that could be embedded.
        vectors: Their vectors, rows in the order of `pairs`.
        groups: The document of each pair, as `group_rows` numbers them.
        source_keys: A number for each source, equal for sources of equal vectors.
        target_keys: The same of targets.
        failed: An error for each row of the input that is no pair.
    """

    pairs: tuple[Pair, ...]
    vectors: PairVectors
    groups: np.ndarray
    source_keys: np.ndarray
    target_keys: np.ndarray
    failed: tuple[MediaError, ...]

    def __len__(self) -> int:
        return len(self.pairs)


def embed_pairs(
    source: Space,
    target: Space,
    data: PairData,
    *,
    unpaired: Sequence[Media] = (),
    on_error: OnError = "skip",
    progress: Counter | None = None,
) -> EmbeddedPairs:
    """Embed both sides of pairs.

    Args:
        source: Embeds the first media of each pair.
        target: Embeds the second.
        data: The pairs.
        unpaired: Further media of either side's modality, see `PairVectors`.
        on_error: `skip` to leave out pairs with media that cannot be embedded, or `raise`.
        progress: Called with (media done, media in all).

    Raises:
        UnsupportedModalityError: If a space does not embed the modality of its side.
        ValueError: If no pair can be embedded.
        MediaError: With `on_error="raise"`, for the first media that cannot be embedded.
    """
    total = 2 * len(data.pairs) + len(unpaired)
    media = [pair.source for pair in data.pairs], [pair.target for pair in data.pairs]
    first = source.encode(media[0], on_error=on_error, progress=_shifted(progress, 0, total))
    second = target.encode(media[1], on_error=on_error, progress=_shifted(progress, len(data.pairs), total))
    errors = {error.position or 0: error for batch in (second, first) for error in batch.failed}
    keys: dict[int, list[Hashable]] = {}
    for at, pair in enumerate(data.pairs):
        if at not in errors:
            own: list[Hashable] = [pair.group] if pair.group is not None else []
            sides = {"group": own, "source": media_keys(pair.source), "target": media_keys(pair.target)}
            keys[at] = [(side, key) for side, found in sides.items() for key in found]
    usable = list(keys)
    broken = tuple(errors[at].at(data.pairs[at].row - 1, data.rows) for at in sorted(errors))
    if not usable:
        reasons = "".join(f"; {error}" for error in (*data.failed, *broken)[:3])
        msg = f"none of the {len(data.pairs)} pairs can be embedded{reasons}"
        raise ValueError(msg)
    vectors = [batch.vectors[np.searchsorted(batch.kept, usable)] for batch in (first, second)]
    groups = group_rows(list(keys.values()))
    paired = PairVectors.of(unit(vectors[0]), unit(vectors[1]), groups)
    return EmbeddedPairs(
        tuple(data.pairs[at] for at in usable),
        _with_unpaired(paired, source, target, data, unpaired, progress),
        groups,
        distinct(vectors[0]),
        distinct(vectors[1]),
        (*data.failed, *broken),
    )


def _with_unpaired(
    vectors: PairVectors,
    source: Space,
    target: Space,
    data: PairData,
    unpaired: Sequence[Media],
    progress: Counter | None,
) -> PairVectors:
    """Add the vectors of media without a partner.

    Raises:
        UnsupportedModalityError: If neither space embeds one of them.
    """
    if not unpaired:
        return vectors
    total = 2 * len(data.pairs) + len(unpaired)
    sides = {pair.source.modality for pair in data.pairs}, {pair.target.modality for pair in data.pairs}
    loose_source = [item for item in unpaired if item.modality in sides[0]]
    loose_target = [item for item in unpaired if item.modality in sides[1]]
    taught = [item for item in loose_source if item.modality in target.modalities]
    for item in unpaired:
        if item.modality not in sides[0] | sides[1]:
            named = ", ".join(sorted(sides[0] | sides[1]))
            raise UnsupportedModalityError("an alignment of these pairs", item.modality, [named])
    embedded = replace(
        vectors,
        loose_source=unit(source.embed(loose_source)) if loose_source else vectors.source[:0],
        loose_target=unit(target.embed(loose_target)) if loose_target else vectors.target[:0],
        taught_source=unit(source.embed(taught)) if taught else vectors.source[:0],
        taught_target=unit(target.embed(taught)) if taught else vectors.target[:0],
    )
    if progress is not None:
        progress(total, total)
    return embedded


def _shifted(progress: Counter | None, before: int, total: int) -> Counter | None:
    if progress is None:
        return None
    counter = progress
    return lambda done, _: counter(before + done, total)
