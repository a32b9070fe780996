"""Words beside vectors: nDCG@10 of vectors alone, words alone and both, and what words add to the time of a search.

    python benchmarks/words.py [--documents 1500] [--space starter] [--chunks 100000] [--quick]

The corpus is the sample corpus (photographs, recordings, videos and texts with 43 questions), the docstrings of
Python's standard library, and notes of a workshop with part numbers and error codes that are much like each other.

- Identifier questions ask by the name of a function, a part number or an error code, as it is written, in another
  spelling, or within a sentence.
- Meaning questions are those of the sample corpus, and the first sentences of docstrings, which the documents lack.
- The mix has as many of either.

Intervals are of the bootstrap over questions, 95 %. `--chunks` times searches of so many chunks, in a space that hashes
words, with and without words in turn; 0 leaves it out.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import random
import re
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import search_latency

import senseweave as sw
from senseweave.demo.corpus import corpus_folder, questions
from senseweave.evaluation.metrics import ndcg_at_k
from senseweave.evaluation.significance import bootstrap, paired_bootstrap
from senseweave.retrieval.query import as_query
from senseweave.retrieval.ranking import rank
from senseweave.retrieval.search.words.word_source import word_sources

K = 10
SEED = 11
MODULES = (
    "argparse ast asyncio.events asyncio.tasks base64 bdb bisect calendar cmd codecs collections "
    "concurrent.futures configparser contextlib copy csv datetime decimal difflib dis email.message enum "
    "fileinput fractions ftplib functools getpass gettext glob gzip hashlib heapq hmac html http.client "
    "http.cookiejar imaplib inspect io ipaddress itertools json locale logging logging.handlers lzma mailbox "
    "mimetypes multiprocessing.pool numbers operator os os.path pathlib pdb pickle pkgutil platform plistlib "
    "poplib pprint queue random re sched secrets selectors shelve shlex shutil smtplib socket socketserver "
    "sqlite3 ssl stat statistics string struct subprocess sys tarfile tempfile textwrap threading time timeit "
    "tokenize trace traceback types typing unittest unittest.mock urllib.parse urllib.request uuid warnings wave "
    "weakref webbrowser xml.dom.minidom xml.etree.ElementTree zipfile zlib"
)
NOTES = 300
THINGS = ("pump", "valve", "belt", "fuse", "sensor", "filter", "bearing", "relay", "gasket", "thermostat")
STATES = ("was replaced", "is worn", "leaks", "was ordered", "makes a noise", "was cleaned", "is out of stock")
PLACES = ("in hall 1", "in the boiler room", "at the dock", "on the roof", "in the cellar", "at line 7")


@dataclass(frozen=True)
class Question:
    """A question, and the sources of what answers it."""

    text: str
    answers: frozenset[str]


def docstrings(most: int) -> Iterator[tuple[str, str, str]]:
    """Yield the qualified name, the first sentence and the rest of docstrings of the standard library."""
    seen: set[str] = set()
    found = []
    for module_name in MODULES.split():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module(module_name)
        for name, member in sorted(vars(module).items()):
            members = [(f"{module_name}.{name}", member)]
            if inspect.isclass(member):
                members += [(f"{module_name}.{name}.{inner}", value) for inner, value in sorted(vars(member).items())]
            for qualified, value in members:
                text = inspect.getdoc(value) if callable(value) and "__" not in qualified else None
                first, _, rest = re.sub(r"\s+", " ", text or "").partition(". ")
                if len(rest) >= 100 and 20 <= len(first) <= 200 and rest not in seen:
                    seen.add(rest)
                    found.append((qualified, first, rest[:900]))
    random.Random(SEED).shuffle(found)
    yield from found[:most]


def workshop() -> Iterator[tuple[str, str, list[str]]]:
    """Yield the source, the text and the spellings of the code of each note of a workshop."""
    rng = random.Random(SEED)
    for number in range(NOTES):
        what, state, where = rng.choice(THINGS), rng.choice(STATES), rng.choice(PLACES)
        if number % 2:
            digits, letter = 4000 + number, "ABCD"[number % 4]
            code, spellings = f"{digits}-{letter}", [f"{digits}-{letter}", f"{digits}{letter}", f"{digits} {letter}"]
        else:
            word = ("CONN", "DISK", "AUTH")[number % 3]
            code, spellings = f"E_{word}-{number:03}", [f"E_{word}-{number:03}", f"e_{word.lower()}_{number:03}"]
        yield f"note {number}", f"The {what} {code} {where} {state}. Looked at by the morning shift.", spellings


def corpus(documents: int) -> tuple[list[sw.Text], list[Question], list[Question]]:
    """Return the texts beside the sample corpus, and the questions by identifiers and by meaning."""
    folder = corpus_folder()
    meaning = [
        Question(each.question, frozenset(str(folder / answer) for answer in each.answers))
        for each in questions(folder)
    ]
    identifiers, texts = [], []
    asked = 0
    for qualified, first, rest in docstrings(documents):
        texts.append(sw.Text(f"{qualified}: {rest}", source=f"python {len(texts)}"))
        if asked < 150:
            asked += 1
            source = frozenset([texts[-1].source])
            meaning.append(Question(first, source))
            identifiers.append(Question((qualified, f"How is {qualified} used?")[asked % 2], source))
    for number, (source, text, spellings) in enumerate(workshop()):
        texts.append(sw.Text(text, source=source))
        if number < 60:
            spelling = spellings[number % len(spellings)]
            phrased = (spelling, f"what happened to {spelling}?")[number // 3 % 2]
            identifiers.append(Question(phrased, frozenset([source])))
    return texts, identifiers, meaning


def by_vectors(index: sw.Index, text: str) -> list[str]:
    """Return the sources that vectors find."""
    return _sources(index.search(text, K))


def by_words(index: sw.Index, text: str) -> list[str]:
    """Return the sources that words find, ranked by nothing else."""
    request = index._request(text, K, words=True)
    sources = word_sources(index._words, index._store, index._calibration, request)
    return _sources([place.hit for place in rank(as_query(text), sources, {}, request.plan)])


def by_both(index: sw.Index, text: str) -> list[str]:
    """Return the sources that vectors and words find together."""
    return _sources(index.search(text, K, words=True))


def by_ranks(index: sw.Index, text: str) -> list[str]:
    """Return the sources that vectors and words find together, fused by their ranks."""
    return _sources(index.search(text, K, words=True, fusion="rrf"))


def _sources(hits: Sequence[sw.retrieval.Hit]) -> list[str]:
    """Return the sources of hits, each once."""
    return list(dict.fromkeys(hit.source for hit in hits))


METHODS: Mapping[str, Callable[[sw.Index, str], list[str]]] = {
    "vectors": by_vectors,
    "words": by_words,
    "both": by_both,
    "both, by ranks (rrf)": by_ranks,
}


def quality(index: sw.Index, identifiers: Sequence[Question], meaning: Sequence[Question]) -> None:
    """Print nDCG@10 by kind of question and method, and how both together stand to the better of the two alone."""
    count = min(len(identifiers), len(meaning))
    rng = random.Random(SEED)
    kinds = {
        "identifiers": identifiers,
        "meaning": meaning,
        "mix": [*rng.sample(list(identifiers), count), *rng.sample(list(meaning), count)],
    }
    print("| questions | " + " | ".join(METHODS) + " | both - better alone |")
    print("| --- |" + " --- |" * (len(METHODS) + 1))
    for kind, asked in kinds.items():
        values = {
            name: [ndcg_at_k(method(index, each.text), dict.fromkeys(each.answers, 1.0), K) for each in asked]
            for name, method in METHODS.items()
        }
        cells = [bootstrap(found) for found in values.values()]
        better = max(("vectors", "words"), key=lambda name: sum(values[name]))
        change = paired_bootstrap(values["both"], values[better])
        shown = " | ".join(f"{cell.mean:.3f} ({cell.low:.3f} to {cell.high:.3f})" for cell in cells)
        print(
            f"| {kind} ({len(asked)}) | {shown} | "
            f"{change.mean:+.3f} ({change.low:+.3f} to {change.high:+.3f}), {better} |"
        )


def latency(folder: Path, chunks: int, rounds: int) -> None:
    """Print what words add to a search of many chunks, each question asked with and without in turn."""
    space = sw.Space("hashed", {"text": search_latency.Words()})
    with sw.Index(folder, spaces=[space]) as index:
        texts = [
            f"{sentence} part {number}-B"
            for number, sentence in enumerate(search_latency.sentences(chunks, search_latency.SEED))
        ]
        search_latency.fill(index, space, texts)
        began = time.perf_counter()
        index.search("first", words=True)
        print(f"\n{chunks:,} chunks: the index of words was made in {time.perf_counter() - began:.1f} s")
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
            print(
                f"{kind}: {statistics.median(alone):.1f} ms by vectors, words add {statistics.median(added):.1f} ms "
                f"(median), {statistics.quantiles(added, n=20)[-1]:.1f} ms (95 %)"
            )


def main(arguments: Sequence[str]) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1500, help="docstrings")
    parser.add_argument("--space", default="starter")
    parser.add_argument("--chunks", type=int, default=100_000, help="of the index that is timed; 0 for none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="300 docstrings, 10,000 chunks, one round")
    parser.add_argument("--folder", type=Path, help="keeps the indexes; a later run uses them")
    options = parser.parse_args(arguments)
    if options.quick:
        options.documents, options.chunks, options.rounds = 300, 10_000, 1
    with tempfile.TemporaryDirectory() as temporary:
        place = options.folder or Path(temporary)
        with sw.Index(place / f"words-{options.documents}", spaces=[options.space]) as index:
            texts, identifiers, meaning = corpus(options.documents)
            if not len(index):
                index.add([path for path in sorted(corpus_folder().iterdir()) if path.is_dir()])
                index.add(texts)
            quality(index, identifiers, meaning)
        if options.chunks:
            latency(place / f"timed-{options.chunks}", options.chunks, options.rounds)


if __name__ == "__main__":
    main(sys.argv[1:])
