"""Which words of a text a query's words are, as they are written there: for the eyes of whoever reads a hit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from senseweave.retrieval.search.words.tokens import Term, locate_words


@dataclass(frozen=True)
class _Located:
    """A part of a text's words or a whole identifier, and where it is written: `text[start:end]`."""

    word: str
    start: int
    end: int


def matched_words(terms: Iterable[Term], text: str) -> tuple[str, ...]:
    """Return the words of a text that the terms of a query match, as they are written, each once, in their order.

    An identifier is returned whole, although a part of it is what matches; what overlaps is joined.
    """
    parts, wholes = ([_Located(*found) for found in listed] for listed in locate_words(text))
    places: list[tuple[int, int]] = []
    for term in terms:
        for phrase in term.phrases:
            places += _occurrences(phrase, parts, is_prefix=term.is_prefix)
            if len(phrase) == 1:
                places += _occurrences(phrase, wholes, is_prefix=term.is_prefix)
    return tuple(dict.fromkeys(text[start:end] for start, end in _joined(places)))


def _occurrences(phrase: Sequence[str], words: Sequence[_Located], *, is_prefix: bool) -> Iterator[tuple[int, int]]:
    """Yield where words that follow each other are written; the last may go on where it is a prefix."""
    *firsts, last = phrase
    for at, end in enumerate(words[len(firsts) :]):
        fits = end.word.startswith(last) if is_prefix else end.word == last
        if fits and all(words[at + i].word == word for i, word in enumerate(firsts)):
            yield from ((found.start, found.end) for found in words[at : at + len(phrase)])


def _joined(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return places in their order, those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
