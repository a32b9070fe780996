"""Compares ranking methods on the mixed corpus: nDCG@10 per group of questions, with paired-bootstrap intervals.

    python benchmarks/mixed_retrieval/run.py FOLDER [--pictures emoji] [--model starter] [--markdown FILE]

FOLDER is where packages are unpacked and vectors kept. Five corpora: the whole one, and skewed ones in which one
modality has a hundred times as many documents as another, or has all but vanished. Skewed corpora and known queries
are drawn `REPEATS` times; a question's value is the mean over the draws in which it has an answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from corpus import PICTURES, Document, Question, build
from vectors import Vectors, embed

from senseweave.evaluation import bootstrap, paired_bootstrap
from senseweave.retrieval import METHODS, Statistics, background
from senseweave.retrieval.calibration.cells import SAMPLE
from senseweave.retrieval.calibration.learning import fit_logistic
from senseweave.retrieval.calibration.statistics import unit_rows
from senseweave.retrieval.calibration.store_statistics import evenly_spaced
from senseweave.retrieval.merging import DEFAULT_METHOD

MODALITIES = ("text", "image", "audio")
GROUPS = ("text only", "image only", "audio only", "several")
DEPTH = 10
REPEATS = 5
KNOWN_QUERIES = 20
LABELLED_QUERIES = 30
TIE = 1e-7
"""Equal scores are ordered by similarity, as `merge` does: this share of it is added to the scores."""
DISCOUNT = 1 / np.log2(np.arange(2, DEPTH + 2))
RANKERS = (
    "none", "rrf", "minmax", "dbsf", "zscore", "tail", "pseudo_positive",
    "pseudo_positive, 20 queries", "platt, 30 labels",
    "above_chance",
)  # fmt: skip


@dataclass
class Corpus:
    """Document vectors and topics (-1: of no question) by modality, and each question's answers."""

    vectors: dict[str, np.ndarray]
    topics: dict[str, np.ndarray]

    def answers(self, topics: np.ndarray) -> dict[str, np.ndarray]:
        """Which documents answer which question, shape (questions, documents) by modality."""
        return {name: of[None, :] == topics[:, None] for name, of in self.topics.items()}


def draw(kind: str, whole: Corpus, others: np.ndarray, rng: np.random.Generator) -> Corpus:
    """One corpus of a kind."""
    vectors, topics = dict(whole.vectors), dict(whole.topics)

    def keep(modality: str, count: int) -> None:
        chosen = rng.choice(len(vectors[modality]), count, replace=False)
        vectors[modality], topics[modality] = vectors[modality][chosen], topics[modality][chosen]

    if kind == "text 100:1":
        keep("image", 80)
        keep("audio", 80)
        vectors["text"] = np.concatenate([vectors["text"], others])
        topics["text"] = np.concatenate([topics["text"], np.full(len(others), -1)])
    elif kind != "whole":
        keep(kind.split()[1], 10)
    return Corpus(vectors, topics)


def estimate_statistics(
    corpus: Corpus, known: Vectors, samples: np.ndarray, labeled: np.ndarray, topics: np.ndarray
) -> dict[str, dict[str, Statistics]]:
    """Return statistics by kind and modality: of general phrases, of 20 queries, and fitted to 30 labels."""
    probes = {name: as_an_index_does(known.probes, corpus.vectors[name]) for name in MODALITIES}
    queries = {name: background(known.questions[samples], corpus.vectors[name]) for name in MODALITIES}
    answers = corpus.answers(topics[labeled])
    scores = {
        name: np.concatenate(
            [
                METHODS["above_chance"].score(corpus.vectors[name] @ vector, probes[name].for_query(vector))
                for vector in known.questions[labeled]
            ]
        )
        for name in MODALITIES
    }
    truth = {name: answers[name].ravel() for name in MODALITIES}
    pooled = fit_logistic(np.concatenate(list(scores.values())), np.concatenate(list(truth.values())))
    fitted = {}
    for name in MODALITIES:
        slope, intercept = fit_logistic(scores[name], truth[name]) if truth[name].sum() >= 10 else pooled
        fitted[name] = replace(probes[name], slope=slope, intercept=intercept)
    return {"probes": probes, "queries": queries, "labels": fitted}


def as_an_index_does(probes: np.ndarray, documents: np.ndarray) -> Statistics:
    """Return statistics of a sample of the documents, and of each probe's best match among all."""
    sample = documents[evenly_spaced(range(len(documents)), SAMPLE)]
    best = (unit_rows(probes) @ unit_rows(documents).T).max(axis=1)
    return background(probes, sample, size=len(documents), best=best)


def ndcg(
    corpus: Corpus,
    questions: np.ndarray,
    topics: np.ndarray,
    score: Callable[[str, np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """nDCG@10 of every question; nan where the corpus has no answer. Lists of 10 per modality are merged by score."""
    answers = corpus.answers(topics)
    scored, relevant = [], []
    for name in MODALITIES:
        similarities = questions @ corpus.vectors[name].T
        order = np.argsort(-similarities, axis=1)[:, :DEPTH]
        best = np.take_along_axis(similarities, order, axis=1)
        scores = np.stack([score(name, row, vector) for row, vector in zip(best, questions, strict=True)])
        scored.append(scores + TIE * best)
        relevant.append(np.take_along_axis(answers[name], order, axis=1))
    order = np.argsort(-np.concatenate(scored, axis=1), axis=1, kind="stable")[:, :DEPTH]
    gains = np.take_along_axis(np.concatenate(relevant, axis=1), order, axis=1)
    counts = sum(answers[name].sum(axis=1) for name in MODALITIES)
    ideal = np.array([DISCOUNT[: min(int(count), DEPTH)].sum() if count else np.nan for count in counts])
    return (gains * DISCOUNT).sum(axis=1) / ideal


def evaluate(kind: str, whole: Corpus, vectors: Vectors, topics: np.ndarray) -> dict[str, np.ndarray]:
    """Mean nDCG@10 per question and method over the draws of one kind of corpus."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in RANKERS}
    for repeat in range(REPEATS):
        rng = np.random.default_rng(repeat)
        corpus = draw(kind, whole, vectors.distractors, rng)
        samples = rng.choice(len(topics), KNOWN_QUERIES, replace=False)
        labeled = rng.choice(len(topics), LABELLED_QUERIES, replace=False)
        cells = estimate_statistics(corpus, vectors, samples, labeled, topics)
        for name in RANKERS:
            method, _, extra = name.partition(", ")
            source = cells["queries" if "queries" in extra else "labels" if "labels" in extra else "probes"]

            def score(modality: str, row: np.ndarray, vector: np.ndarray, source=source, method=method) -> np.ndarray:  # noqa: ANN001
                return METHODS[method].score(row, source[modality].for_query(vector))

            values = ndcg(corpus, vectors.questions, topics, score)
            values[np.union1d(samples, labeled)] = np.nan  # what a method has learned from is not samples of it
            found[name].append(values)
    with np.errstate(all="ignore"):
        import warnings

        warnings.simplefilter("ignore", RuntimeWarning)
        return {name: np.nanmean(np.stack(values), axis=0) for name, values in found.items()}


def table(kind: str, results: dict[str, np.ndarray], groups: np.ndarray) -> list[str]:
    """Lines of a Markdown table: nDCG@10 over all, per group, and the default's lead with its 95% interval."""
    lines = [
        f"### {kind[0].upper()}{kind[1:]}",
        "",
        "| method | all | " + " | ".join(GROUPS) + f" | lead of {DEFAULT_METHOD} [95%] |",
        "| --- |" + " --- |" * (len(GROUPS) + 2),
    ]
    default = results[DEFAULT_METHOD]
    for name, values in results.items():
        there = ~np.isnan(values)
        overall = bootstrap(values[there])
        cells = [f"{overall.mean:.3f} [{overall.low:.3f}, {overall.high:.3f}]"]
        cells += [f"{np.nanmean(values[groups == group]):.3f}" for group in GROUPS]
        lead = paired_bootstrap(default[there], values[there])
        cells.append("" if name == DEFAULT_METHOD else f"{lead.mean:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}]")
        label = f"**{name}**" if name == DEFAULT_METHOD else name
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def main() -> None:
    """Build, embed, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", choices=PICTURES, default="photographs")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    options = parser.parse_args()
    documents, questions, others = build(options.folder, options.pictures)
    vectors = embed(options.model, options.folder, documents, questions, others)
    lines = report(documents, questions, vectors)
    print("\n".join(lines))
    if options.markdown is not None:
        options.markdown.write_text("\n".join(lines) + "\n")


def report(documents: list[Document], questions: list[Question], vectors: Vectors) -> list[str]:
    """All tables."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(question.topic for question in questions))}
    topics = np.array([numbers[question.topic] for question in questions])
    groups = np.array([question.group for question in questions])
    places = {name: [i for i, document in enumerate(documents) if document.modality == name] for name in MODALITIES}
    whole = Corpus(
        {name: vectors.documents[at] for name, at in places.items()},
        {name: np.array([numbers.get(documents[i].topic or "", -1) for i in at]) for name, at in places.items()},
    )
    counts = ", ".join(f"{len(at)} {name}" for name, at in places.items())
    unrelated = len(vectors.distractors)
    lines = [f"{len(documents)} documents ({counts}), {len(questions)} questions, {unrelated} unrelated texts.", ""]
    for kind in ("whole", "text 100:1", "few text documents", "few image documents", "few audio documents"):
        lines += table(kind, evaluate(kind, whole, vectors, topics), groups)
    return lines


if __name__ == "__main__":
    main()
