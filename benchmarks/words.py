"""Words beside vectors: nDCG@10 of vectors alone, words alone and both, and what words add to the time of a search.

    python benchmarks/words.py [--documents 1500] [--library sklearn] [--space starter] [--languages German Japanese]
                               [--chunks 100000] [--quick] [--json] [--folder FOLDER]

`word_corpora.py` says what is searched and asked. The mix has as many questions by identifier as by meaning; rows by
what is asked about (texts, recordings, photographs, scanned pages) hold the questions of both kinds. `--languages`
compares notes in other languages instead, for which `--space starter:multilingual` is meant.

Intervals are of the bootstrap over questions, 95 %. `--chunks` times searches of so many chunks, in a space that hashes
words, with and without words in turn; 0 leaves it out. `--json` prints each row as a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import search_latency
from word_corpora import LANGUAGES, SEED, Corpus, Question, mixed_corpus, notes_in, place

import senseweave as sw
from senseweave.evaluation.metrics import ndcg_at_k
from senseweave.evaluation.significance import bootstrap, paired_bootstrap
from senseweave.retrieval.query import as_query
from senseweave.retrieval.ranking import rank
from senseweave.retrieval.search.words.word_source import word_sources

K = 10


def by_vectors(index: sw.Index, text: str) -> Sequence[sw.retrieval.Hit]:
    """Return what vectors find."""
    return index.search(text, K)


def by_words(index: sw.Index, text: str) -> Sequence[sw.retrieval.Hit]:
    """Return what words find, ranked by nothing else."""
    request = index._request(text, K, words=True)
    sources = word_sources(index._words, index._store, index._calibration, request)
    return [found.hit for found in rank(as_query(text), sources, {}, request.plan)]


def by_both(index: sw.Index, text: str) -> Sequence[sw.retrieval.Hit]:
    """Return what vectors and words find together."""
    return index.search(text, K, words=True)


def by_ranks(index: sw.Index, text: str) -> Sequence[sw.retrieval.Hit]:
    """Return what vectors and words find together, fused by their ranks."""
    return index.search(text, K, words=True, fusion="rrf")


METHODS: Mapping[str, Callable[[sw.Index, str], Sequence[sw.retrieval.Hit]]] = {
    "vectors": by_vectors,
    "words": by_words,
    "both": by_both,
    "both, by ranks (rrf)": by_ranks,
}


def question_rows(questions: Sequence[Question]) -> dict[str, list[Question]]:
    """Return the questions of each row: by kind, the mix of as many of both kinds, and by what is asked about."""
    identifiers = [each for each in questions if each.kind == "identifiers"]
    meaning = [each for each in questions if each.kind == "meaning"]
    count = min(len(identifiers), len(meaning))
    rng = random.Random(SEED)
    rows = {
        "identifiers": identifiers,
        "meaning": meaning,
        "mix": [*rng.sample(identifiers, count), *rng.sample(meaning, count)],
    }
    about = list(dict.fromkeys(each.about for each in questions))
    return rows | {name: [each for each in questions if each.about == name] for name in about if len(about) > 1}


def quality(index: sw.Index, questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Return a row for each kind of question: nDCG@10 by method, and both together against the better of the two."""
    rows = question_rows(questions)
    measured = {
        name: {each: ndcg(method(index, each.text), each) for each in questions} for name, method in METHODS.items()
    }
    found = []
    for kind, asked in rows.items():
        values = {name: [of_question[each] for each in asked] for name, of_question in measured.items()}
        better = max(("vectors", "words"), key=lambda name: sum(values[name]))
        change = paired_bootstrap(values["both"], values[better])
        methods = {name: astuple(bootstrap(listed)) for name, listed in values.items()}
        change_and_interval = (change.mean, change.low, change.high)
        found.append(
            {"questions": kind, "count": len(asked), **methods, "difference": change_and_interval, "better": better}
        )
    return found


def ndcg(hits: Sequence[sw.retrieval.Hit], question: Question) -> float:
    """Return nDCG@10 of hits, each document or page once."""
    found = dict.fromkeys(place(hit.source, hit.page) for hit in hits)
    return ndcg_at_k(list(found), dict.fromkeys(question.answers, 1.0), K)


def latency(folder: Path, chunks: int, rounds: int) -> list[dict[str, Any]]:
    """Return what words add to a search of many chunks, each question asked with and without in turn."""
    space = sw.Space("hashed", {"text": search_latency.Words()})
    rows = []
    with sw.Index(folder, spaces=[space]) as index:
        texts = [
            f"{sentence} part {number}-B"
            for number, sentence in enumerate(search_latency.sentences(chunks, search_latency.SEED))
        ]
        search_latency.fill(index, space, texts)
        began = time.perf_counter()
        index.search("first", words=True)
        rows.append({"chunks": chunks, "first_search_s": time.perf_counter() - began})
        asked = {
            "a sentence": search_latency.sentences(50, 99),
            "a part number": [f"part {number * 7}-B" for number in range(50)],
        }
        for kind, listed in asked.items():
            added, alone = [], []
            for text in [text for _ in range(rounds) for text in listed]:
                times = {}
                for words in (False, True):
                    start = time.perf_counter()
                    index.search(text, K, words=words)
                    times[words] = time.perf_counter() - start
                alone.append(times[False] * 1000)
                added.append((times[True] - times[False]) * 1000)
            worst = statistics.quantiles(added, n=20)[-1]
            rows.append(
                {
                    "chunks": chunks,
                    "questions": kind,
                    "vectors_ms": statistics.median(alone),
                    "words_add_ms": statistics.median(added),
                    "words_add_p95_ms": worst,
                }
            )
    return rows


def show_quality(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows of a corpus as a table."""
    print(f"\n{title}\n\n| questions | " + " | ".join(METHODS) + " | both - better alone |")
    print("| --- |" + " --- |" * (len(METHODS) + 1))
    for row in rows:
        shown = " | ".join("{:.3f} ({:.3f} to {:.3f})".format(*row[name]) for name in METHODS)
        difference = "{:+.3f} ({:+.3f} to {:+.3f})".format(*row["difference"])
        print(f"| {row['questions']} ({row['count']}) | {shown} | {difference}, {row['better']} |")


def show_latency(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows of the times."""
    first, *others = rows
    print(f"\n{first['chunks']:,} chunks: the index of words was made in {first['first_search_s']:.1f} s")
    for row in others:
        print(
            f"{row['questions']}: {row['vectors_ms']:.1f} ms by vectors, words add {row['words_add_ms']:.1f} ms "
            f"(median), {row['words_add_p95_ms']:.1f} ms (95 %)"
        )


def _corpora(options: argparse.Namespace, folder: Path) -> Mapping[str, Callable[[], Corpus]]:
    """Return by name what makes each corpus."""
    if options.languages:
        return {name: lambda name=name: notes_in(name) for name in options.languages}
    name = f"{options.documents} docstrings of {options.library or 'the standard library'}"
    return {name: lambda: mixed_corpus(folder / "pages", options.documents, options.library)}


def main(arguments: Sequence[str]) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1500, help="docstrings")
    parser.add_argument("--library", default="", help="package whose docstrings are taken; the standard library")
    parser.add_argument("--languages", nargs="+", choices=sorted(LANGUAGES), default=[])
    parser.add_argument("--space", default="starter")
    parser.add_argument("--chunks", type=int, default=100_000, help="of the index that is timed; 0 for none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="300 docstrings, 10,000 chunks, one round")
    parser.add_argument("--json", action="store_true", help="print rows as JSON, one a line")
    parser.add_argument("--folder", type=Path, help="keeps the indexes; a later run uses them")
    options = parser.parse_args(arguments)
    if options.quick:
        options.documents, options.chunks, options.rounds = 300, 10_000, 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).absolute()
        for name, make in _corpora(options, folder).items():
            corpus = make()
            with sw.Index(folder / f"{options.space} {name}".replace(":", "-"), spaces=[options.space]) as index:
                index.add([*corpus.files, *corpus.texts])
                rows = quality(index, corpus.questions)
            if options.json:
                for row in rows:
                    print(json.dumps({"corpus": name, "space": options.space, **row}), flush=True)
            else:
                show_quality(name, rows)
        if options.chunks:
            times = latency(folder / f"timed-{options.chunks}", options.chunks, options.rounds)
            if options.json:
                print("\n".join(map(json.dumps, times)))
            else:
                show_latency(times)


if __name__ == "__main__":
    main(sys.argv[1:])
