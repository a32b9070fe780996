"""Measure an alignment on held-out pairs: scores, baselines, learning curve and failures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from senseweave.encoders.parts.heads import unit
from senseweave.evaluation.significance import bootstrap, paired_bootstrap
from senseweave.media import Media
from senseweave.redaction import without_secrets
from senseweave.spaces import Space
from senseweave.training.curves import CurvePoint
from senseweave.training.data.splits import find_leaks
from senseweave.training.embedding import EmbeddedPairs
from senseweave.training.measures import CUTOFF, Ranking, both_ways, chance
from senseweave.training.report import DIRECTIONS, AlignmentReport, CandidateScore, Direction, Failure, Scores
from senseweave.training.selection import Candidate, Part, Selection, fit_parts

CHANCE, NO_ALIGNMENT, BRIDGE = "chance", "no alignment", "bridge"
CURVE_SHARES: Final = (0.125, 0.25, 0.5, 1.0)
FEWEST_OF_CURVE: Final = 10
FAILURES: Final = 10
LONGEST: Final = 80
"""Characters of a text that is named in the report."""


@dataclass(frozen=True)
class HeldOut:
    """The held-out pairs, with numbers for equal sources and equal targets."""

    rows: np.ndarray
    source_keys: np.ndarray
    target_keys: np.ndarray

    @classmethod
    def of(cls, embedded: EmbeddedPairs, rows: np.ndarray) -> HeldOut:
        """Take some rows of the pairs."""
        _, source_keys = np.unique(embedded.source_keys[rows], return_inverse=True)
        _, target_keys = np.unique(embedded.target_keys[rows], return_inverse=True)
        return cls(rows, source_keys, target_keys)

    def rank(self, source: np.ndarray, target: np.ndarray) -> dict[Direction, Ranking]:
        """Rank vectors of the held-out pairs both ways."""
        return dict(zip(DIRECTIONS, both_ways(source, target, self.source_keys, self.target_keys), strict=True))


def measure(
    source: Space, target: Space, embedded: EmbeddedPairs, held_out: np.ndarray, chosen: Selection, seed: int
) -> AlignmentReport:
    """Fit the chosen candidate to the pairs that are not held out, and measure it on those that are.

    Args:
        source: The source's space.
        target: The target's space.
        embedded: All pairs.
        held_out: Which are held out.
        chosen: What cross-validation chose.
        seed: Of the methods and the bootstrap.

    Raises:
        ValueError: If all held-out pairs are nearly equal to pairs of training.
    """
    vectors = embedded.vectors
    training = np.flatnonzero(~held_out)
    leaks = [
        leak
        for side, rows in (("source", vectors.source), ("target", vectors.target))
        for leak in find_leaks(side, rows, held_out)
    ]
    leaked = {leak.held_out for leak in leaks}
    held = HeldOut.of(embedded, np.array([row for row in np.flatnonzero(held_out) if row not in leaked], int))
    if not len(held.rows):
        msg = f"all {int(held_out.sum())} held-out pairs nearly equal pairs of training; pass pairs that differ more"
        raise ValueError(msg)
    heads = fit_parts(vectors.rows(training), chosen.best.parts, seed)
    mapped = heads.source.apply(vectors.source[held.rows]), heads.target.apply(vectors.target[held.rows])
    measured = held.rank(*mapped)
    others = dict(_baselines(source, target, embedded, held))
    gains = _gains(measured)
    return AlignmentReport(
        source=source.name,
        target=target.name,
        method=chosen.best.name,
        settings=chosen.best.describe(),
        pairs=len(embedded),
        training=len(training),
        held_out=len(held.rows),
        leaks=[
            f"{_name(_media(embedded, leak.held_out, leak.side))} resembles "
            f"{_name(_media(embedded, leak.training, leak.side))} ({leak.similarity:.3f})"
            for leak in leaks
        ],
        scores=_scores(measured, seed),
        baselines={**{name: _scores(ranking, seed) for name, ranking in others.items()}},
        differences={name: paired_bootstrap(gains, _gains(ranking), seed=seed) for name, ranking in others.items()},
        curve=_curve(embedded, training, held, chosen.best, seed),
        failures=_failures(embedded, held, mapped),
        candidates=[_candidate(candidate, seed) for candidate in chosen.candidates],
        skipped=tuple(chosen.skipped),
        failed=embedded.failed,
    )


def _baselines(
    source: Space, target: Space, embedded: EmbeddedPairs, held: HeldOut
) -> Iterator[tuple[str, dict[Direction, Ranking]]]:
    """Yield what the held-out pairs find without an alignment."""
    yield CHANCE, dict(zip(DIRECTIONS, chance(held.source_keys, held.target_keys), strict=True))
    first, second = embedded.vectors.source[held.rows], embedded.vectors.target[held.rows]
    if first.shape[1] == second.shape[1]:
        yield NO_ALIGNMENT, held.rank(first, second)
    pairs = [embedded.pairs[row] for row in held.rows]
    sides = ({pair.source.modality for pair in pairs}, {pair.target.modality for pair in pairs})
    if sides[0] == sides[1]:
        return
    # The target where it embeds the sources as well, else the source where it embeds the targets.
    if sides[0] <= set(target.modalities):
        yield BRIDGE, held.rank(_embed(target, [pair.source for pair in pairs]), second)
    elif sides[1] <= set(source.modalities):
        yield BRIDGE, held.rank(first, _embed(source, [pair.target for pair in pairs]))


def _embed(space: Space, media: list[Media]) -> np.ndarray:
    """Embed media; what a space cannot embed finds nothing."""
    batch = space.encode(media, on_error="skip")
    vectors = np.zeros((len(media), space.dimension), np.float32)
    vectors[batch.kept] = unit(batch.vectors)
    return vectors


def _gains(measured: Mapping[Direction, Ranking]) -> list[float]:
    return [float(value) for direction in DIRECTIONS for value in measured[direction].ndcg]


def _scores(measured: Mapping[Direction, Ranking], seed: int) -> Scores:
    return {
        direction: {
            **{f"recall@{k}": bootstrap(values.tolist(), seed=seed) for k, values in ranking.recall.items()},
            f"ndcg@{CUTOFF}": bootstrap(ranking.ndcg.tolist(), seed=seed),
        }
        for direction, ranking in measured.items()
    }


def _curve(
    embedded: EmbeddedPairs, training: np.ndarray, held: HeldOut, best: Candidate, seed: int
) -> list[CurvePoint]:
    """Fit the candidate to ever more pairs, each set with those before it, and measure recall@10 both ways."""
    order = np.random.default_rng(seed).permutation(training)
    points = []
    for share in CURVE_SHARES:
        count = round(share * len(order))
        if count < FEWEST_OF_CURVE:
            continue
        pairs = embedded.vectors.rows(np.sort(order[:count]))
        heads = fit_parts(pairs, [_within(part, count) for part in best.parts], seed)
        ranking = held.rank(
            heads.source.apply(embedded.vectors.source[held.rows]),
            heads.target.apply(embedded.vectors.target[held.rows]),
        )
        values = [float(value) for direction in DIRECTIONS for value in ranking[direction].recall[CUTOFF]]
        points.append(CurvePoint(count, bootstrap(values, seed=seed)))
    return points


def _within(part: Part, pairs: int) -> Part:
    """Return a part whose settings fewer pairs can have."""
    limits = {"dimensions": pairs - 1, "kept": pairs}
    settings = {name: min(value, limits[name]) if name in limits else value for name, value in part.settings.items()}
    return Part(part.method, settings)


def _failures(embedded: EmbeddedPairs, held: HeldOut, mapped: tuple[np.ndarray, np.ndarray]) -> list[Failure]:
    """Return the queries whose right answer was most nearly the first."""
    firsts = [np.unique(keys, return_index=True)[1] for keys in (held.source_keys, held.target_keys)]
    right = np.zeros((len(firsts[0]), len(firsts[1])), bool)
    right[held.source_keys, held.target_keys] = True
    similarities = mapped[0][firsts[0]] @ mapped[1][firsts[1]].T
    names = [
        [_name(_media(embedded, held.rows[row], side)) for row in rows]
        for side, rows in zip(("source", "target"), firsts, strict=True)
    ]
    failures: list[Failure] = []
    for direction, scores, answers, (queries, found) in (
        (DIRECTIONS[0], similarities, right, names),
        (DIRECTIONS[1], similarities.T, right.T, names[::-1]),
    ):
        best_right = np.where(answers, scores, -np.inf)
        for query in range(len(scores)):
            wanted, first = (
                int(best_right[query].argmax()),
                int(np.where(answers[query], -np.inf, scores[query]).argmax()),
            )
            margin = float(scores[query, first] - scores[query, wanted])
            if margin > 0:
                rank = int((scores[query] > scores[query, wanted]).sum()) + 1
                failures.append(Failure(direction, queries[query], found[wanted], found[first], rank, margin))
    return sorted(failures, key=lambda failure: failure.margin)[:FAILURES]


def _media(embedded: EmbeddedPairs, row: int, side: str) -> Media:
    pair = embedded.pairs[row]
    return pair.source if side == "source" else pair.target


def _name(media: Media) -> str:
    """Return the words of a text, or the end of the path or URL of other media, without its secrets."""
    if media.modality == "text":
        name = " ".join(media.decode().split())
    else:
        name = "/".join(re.split(r"[/\\]", without_secrets(media.source))[-2:])
    if len(name) <= LONGEST:
        return name
    # The end of a path tells more than its beginning.
    return f"{name[: LONGEST - 1]}…" if media.modality == "text" else f"…{name[1 - LONGEST :]}"


def _candidate(candidate: Candidate, seed: int) -> CandidateScore:
    return CandidateScore(candidate.name, candidate.describe(), bootstrap(candidate.gains.tolist(), seed=seed))
