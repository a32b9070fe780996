"""Measures how an index ranks texts, pictures, sounds and spoken words together, on GCompris (Debian, free licences).

    python benchmarks/default_scene/mixed.py FOLDER [--spaces starter --spaces starter+starter:multilingual]
        [--languages en --languages en,de]

Prints, for each choice of spaces and languages, nDCG@10 of the default ranking and of others, with the default's lead
(paired bootstrap, 95%), and the share of each modality among the first ten hits beside its share of the answers. The
questions in each language are reported apart. Spaces that are joined by `+` are in one index, which is kept in FOLDER.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from mixed_corpus import Corpus, build

import senseweave as sw
from senseweave.evaluation import Evaluation, evaluate, paired_bootstrap
from senseweave.evaluation.retrieval import MIX

OTHERS = ("none", "rrf", "minmax", "dbsf")
"""Raw cosine, reciprocal ranks, and two that stretch each list by itself."""
DEPTH = 10


def main() -> None:
    """Index, ask, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spaces", action="append")
    parser.add_argument("--languages", action="append")
    arguments = parser.parse_args()
    for listed in arguments.languages or ["en"]:
        languages = tuple(listed.split(","))
        corpus = build(arguments.folder, languages)
        for spaces in arguments.spaces or ["starter"]:
            name = f"index-{spaces}-{listed}".replace(":", "-")
            with sw.Index(arguments.folder / name, spaces=spaces.split("+")) as index:
                index.add(corpus.media)
                for language in languages:
                    print(f"\n### `{spaces}`, content in {listed}, questions in {language}\n", flush=True)
                    report(index, corpus, language)


def report(index: sw.Index, corpus: Corpus, language: str) -> None:
    """Print how the questions of a language are answered."""
    judged = corpus.judged(language)
    kinds = {media.source: media.modality for media in corpus.media}
    groups = ["+".join(sorted({kinds[source] for source in grades})) for grades in judged.values()]
    results = {name: evaluate(index, judged, k=DEPTH, fusion=name) for name in (None, *OTHERS)}
    values = {name: np.array(result.per_query["text", MIX]["ndcg"]) for name, result in results.items()}
    print(f"{len(judged)} questions: {describe(groups)}; {len(kinds)} documents: {describe(list(kinds.values()))}\n")
    names = sorted(set(groups))
    print("| ranking | nDCG@10 | the default's lead | " + " | ".join(names) + " |")
    print("| --- |" + " --- |" * (2 + len(names)))
    for name, found in values.items():
        lead = paired_bootstrap(values[None], found)
        by_group = [found[[group == other for other in groups]].mean() for group in names]
        cells = [f"{lead.mean:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}]" if name else ""]
        cells += [f"{value:.3f}" for value in by_group]
        print(f"| {name or '**default**'} | {found.mean():.3f} | " + " | ".join(cells) + " |")
    report_shares(results, judged, kinds)


def report_shares(
    results: dict[str | None, Evaluation], judged: dict[str, dict[str, float]], kinds: dict[str, str]
) -> None:
    """Print how the first hits are shared among modalities, and how the answers are."""
    modalities = sorted(set(kinds.values()))
    answers = [Counter(kinds[source] for source in grades) for grades in judged.values()]
    wanted = {kind: float(np.mean([each[kind] / each.total() for each in answers])) for kind in modalities}
    print("\n| share of the first ten | " + " | ".join(modalities) + " |\n| --- |" + " --- |" * len(modalities))
    print("| of the answers | " + " | ".join(f"{wanted[kind]:.2f}" for kind in modalities) + " |")
    for name, result in results.items():
        shares = result.shares["text"]
        print(f"| {name or '**default**'} | " + " | ".join(f"{shares[kind]:.2f}" for kind in modalities) + " |")


def describe(names: list[str]) -> str:
    """Return how often each name occurs."""
    return ", ".join(f"{count} {name}" for name, count in Counter(names).most_common())


if __name__ == "__main__":
    main()
