"""Align two models: from pairs of media to a space in which the vectors of both can be compared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave import __version__
from senseweave.encoders.families.aligned import BaseModel, Config, Side, identify
from senseweave.encoders.parts.aligned import Aligned, Base
from senseweave.encoders.parts.heads import Head
from senseweave.media import MediaPolicy, Modality
from senseweave.progress import Counter
from senseweave.retrieval.index_spaces import load_options
from senseweave.spaces import Space, load
from senseweave.training.data.pairs import OnError, PairData, read_pairs, read_unpaired
from senseweave.training.data.splits import check_split, hold_out
from senseweave.training.embedding import EmbeddedPairs, embed_pairs
from senseweave.training.measuring import measure
from senseweave.training.methods import Heads
from senseweave.training.report import AlignmentReport
from senseweave.training.saving import save
from senseweave.training.selection import AUTO, Validation, check_method, fit_parts, select

FEWEST: Final = 20
"""Pairs of different documents below which held-out figures tell nothing."""
SECONDS: Final = 120.0
"""Time for `auto` to compare methods, after which those that train step by step are left out."""


@dataclass(frozen=True)
class Alignment:
    """Two models in one space.

    Attributes:
        space: The space. Of a modality that both models embed, the source's encoder is in it, unless the pairs name it
            as the target's.
        report: How well held-out pairs find each other, and how that was measured.
        config: The models with their options, and the heads, as `save` writes them.
        heads: The fitted heads.
    """

    space: Space
    report: AlignmentReport
    config: Config
    heads: Heads

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the heads, the configuration, a model card and the report; `senseweave.load` takes the folder.

        Args:
            folder: A folder that is new, empty, or holds an alignment, which is replaced.

        Returns:
            The folder.

        Raises:
            ModelError: If a model was not loaded by name, so that the folder could not name it.
            FileExistsError: If the folder holds something else.
        """
        return save(Path(folder), self.config, self.heads, self.report)

    def __repr__(self) -> str:
        return f"Alignment({self.space.name!r}, modalities={self.space.modalities}, method={self.report.method!r})"


def align(
    source: str | os.PathLike[str] | Space,
    target: str | os.PathLike[str] | Space,
    pairs: Any,
    *,
    method: str = AUTO,
    unpaired: Iterable[Any] | str | os.PathLike[str] | None = None,
    validation: float = 0.2,
    seed: int = 0,
    columns: Sequence[str] | None = None,
    modalities: Sequence[Modality] | None = None,
    group: str | None = None,
    layers: Sequence[int] | None = None,
    on_error: OnError = "skip",
    seconds: float = SECONDS,
    policy: MediaPolicy | None = None,
    progress: Counter | None = None,
) -> Alignment:
    """Align two models by pairs of media, so that the vectors of both can be compared.

    A share of the pairs is held out, by document: no source and no caption is on both sides. On the others a method and
    its settings are chosen by cross-validation, and measured on what was held out. The heads that are returned are then
    fitted with these settings to all pairs.

        aligned = sw.align("starter:image-features", "starter", "pictures.csv")
        print(aligned.report)
        aligned.save("my-space")
        space = sw.load("my-space")

    Args:
        source: The model of the first column, by name or loaded.
        target: The model of the second column.
        pairs: An iterable of `(source, target)` media, a table (CSV, TSV, JSONL, Parquet) or a folder with captions
            beside its files; see `senseweave.training.data.pairs.read_pairs`.
        method: `ridge`, `procrustes`, `csa`, `anchors`, `contrastive`, `distill`, `blend` (the cosines of the best two
            or three averaged) or `auto` for the best of these.
        unpaired: Further media of either side's modality, without a partner: they tell how vectors are spread, and
            `distill` learns from what both models embed.
        validation: Share of the pairs to hold out.
        seed: Decides splits, folds and whatever a method draws; equal seeds give equal heads.
        columns: Names of the two columns of a table.
        modalities: Their modalities, where names and contents leave them open.
        group: A column whose equal values stay on one side of every split.
        layers: Layers of the source to choose from, where its family has the option `layers`; -1 is the last. The layer
            whose neighborhoods agree best with the target's is taken (STRUCTURE, arXiv 2506.16895): of those aligned by
            a rotation, the one with the best nDCG@10 in cross-validation on pairs that are not held out.
        on_error: `skip` to leave out and report pairs that cannot be read or embedded, or `raise`.
        seconds: Time to compare methods in, for `auto` and `blend`.
        policy: What may be read.
        progress: Called with (media embedded, media in all).

    Returns:
        The space, the report, and a method to save both.

    Raises:
        ValueError: If there are too few pairs, or an argument is impossible.
        TypeError: If `layers` are given and the source has no such option.
        ModelError: If a model cannot be loaded.
        MediaError: With `on_error="raise"`, for the first pair that cannot be read or embedded.
        UnsupportedModalityError: If a model does not embed the modality of its column.
    """
    check_split(validation, seed)
    check_method(method)
    spaces = (_space(source), _space(target))
    data = read_pairs(pairs, columns=columns, modalities=modalities, group=group, on_error=on_error, policy=policy)
    if not data.pairs:
        reasons = "".join(f"; {error}" for error in data.failed[:3])
        msg = f"there are no pairs to align by{reasons}"
        raise ValueError(msg)
    loose = read_unpaired(unpaired, policy)
    if layers is not None:
        chosen = [_with_layer(spaces[0], layer) for layer in layers]
        spaces = (_best_source(chosen, spaces[1], data, validation, seed, on_error), spaces[1])
    embedded = embed_pairs(*spaces, data, unpaired=loose, on_error=on_error, progress=progress)
    return align_embedded(*spaces, embedded, method=method, validation=validation, seed=seed, seconds=seconds)


def align_embedded(
    source: Space,
    target: Space,
    embedded: EmbeddedPairs,
    *,
    method: str = AUTO,
    validation: float = 0.2,
    seed: int = 0,
    seconds: float = SECONDS,
) -> Alignment:
    """Align two spaces by pairs whose vectors are there already; arguments and errors as for `align`."""
    _check_enough(embedded)
    held_out = hold_out(embedded.groups, validation, seed)
    training = np.flatnonzero(~held_out)
    if len(np.unique(embedded.groups[training])) < FEWEST // 2:
        msg = f"validation={validation} leaves {len(training)} of {len(embedded)} pairs to learn from; hold out fewer"
        raise ValueError(msg)
    chosen = select(_validation(embedded, training, seed), method, seconds=seconds)
    report = measure(source, target, embedded, held_out, chosen, seed)
    heads = fit_parts(embedded.vectors, chosen.best.parts, seed)
    models = _models(source, target, embedded)
    config = Config(
        models,
        {"source": heads.source.settings(), "target": heads.target.settings()},
        {
            "method": report.method,
            "settings": report.settings,
            "pairs": len(embedded),
            "validation": validation,
            "seed": seed,
            "senseweave": __version__,
        },
    )
    return Alignment(_join(source, target, models, heads), report, config, heads)


def _space(given: str | os.PathLike[str] | Space) -> Space:
    return given if isinstance(given, Space) else load(given)


def _with_layer(space: Space, layer: int) -> Space:
    options = load_options(space)
    if options is None:
        msg = f"layers= needs a source that is loaded by name; {space.name!r} was not"
        raise ValueError(msg)
    return load(space.name, **{**options, "layers": (layer,)})


def _best_source(
    sources: Sequence[Space], target: Space, data: PairData, validation: float, seed: int, on_error: OnError
) -> Space:
    """Return the source whose vectors a rotation aligns best, on pairs that are not held out."""
    if not sources:
        msg = "layers must name at least one layer, for example (-1, -3)"
        raise ValueError(msg)
    scores = []
    for source in sources:
        embedded = embed_pairs(source, target, data, on_error=on_error)
        _check_enough(embedded)
        training = np.flatnonzero(~hold_out(embedded.groups, validation, seed))
        scores.append(_validation(embedded, training, seed).best_settings("procrustes").score)
    return sources[int(np.argmax(np.round(scores, 9)))]


def _validation(embedded: EmbeddedPairs, rows: np.ndarray, seed: int) -> Validation:
    keys = embedded.source_keys[rows], embedded.target_keys[rows]
    return Validation.of(embedded.vectors.rows(rows), *keys, embedded.groups[rows], seed)


def _check_enough(embedded: EmbeddedPairs) -> None:
    documents = len(np.unique(embedded.groups))
    if documents < FEWEST:
        reasons = "".join(f"; {error}" for error in embedded.failed[:3])
        msg = (
            f"{len(embedded)} pairs of {documents} different documents are too few to align by; "
            f"expected at least {FEWEST}{reasons}"
        )
        raise ValueError(msg)


def _models(source: Space, target: Space, embedded: EmbeddedPairs) -> dict[Side, BaseModel]:
    """Return both models with the modalities that each embeds in the aligned space."""
    of_target = {pair.target.modality for pair in embedded.pairs} - {pair.source.modality for pair in embedded.pairs}
    from_source = [modality for modality in source.modalities if modality not in of_target]
    from_target = [modality for modality in target.modalities if modality not in from_source]
    return {
        "source": base_model(source, from_source),
        "target": base_model(target, from_target),
    }


def base_model(space: Space, modalities: Sequence[Modality]) -> BaseModel:
    """Return a space as a model that a head stands on, with some of its modalities."""
    options = load_options(space)
    return BaseModel(
        name=space.name,
        options=_without_space_options(options) if options is not None else None,
        base=Base(space.fingerprint, space.dimension, space._norms_before_cut),
        encoders={modality: identify(space.encoders[modality]) for modality in modalities},
    )


def _without_space_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in ("normalize", "dimensions")}


def _join(source: Space, target: Space, models: Mapping[Side, BaseModel], heads: Heads) -> Space:
    sides: tuple[tuple[Side, Space, Head], ...] = (("source", source, heads.source), ("target", target, heads.target))
    encoders = {
        modality: Aligned(space.encoders[modality], head, models[side].base)
        for side, space, head in sides
        for modality in models[side].encoders
    }
    return Space(f"{source.name} + {target.name}", encoders)
