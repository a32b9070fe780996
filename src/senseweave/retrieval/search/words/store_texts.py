"""The words of a record as a text that any store can search, and how often it holds a phrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from senseweave.retrieval.search.words.base import WordRow
from senseweave.retrieval.search.words.scoring import NAMES_WEIGHT
from senseweave.retrieval.search.words.tokens import cut_words

TEXTS_FORMAT: Final = 1
"""Version of the texts and of how words are cut; texts of another version are in a collection of another name."""
WEIGHTS: Final = (1.0, 1.0, NAMES_WEIGHT)
"""Of words, of whole identifiers and of the words of file names."""

LONGEST_WORD: Final = 200
"""Characters of a word that is searched in a store; indexes of PostgreSQL refuse words of 2 KB, which nobody types."""


@dataclass(frozen=True)
class WordText:
    """A text of three lines: the words of a record, its whole identifiers, and the words of its file's name.

    Every word has a space before and after it.
    """

    text: str

    @classmethod
    def from_row(cls, row: WordRow) -> WordText:
        """Return the words of a row."""
        words, name = cut_words(row.text), cut_words(row.name)
        lines = (words.parts, (*words.wholes, *name.wholes), name.parts)
        return cls("\n".join(f" {' '.join(word for word in line if len(word) <= LONGEST_WORD)} " for line in lines))

    @cached_property
    def lines(self) -> list[list[str]]:
        """The words of each line."""
        return [line.split() for line in self.text.split("\n")]

    @property
    def length(self) -> int:
        """Number of words."""
        return sum(map(len, self.lines))

    def frequency(self, phrase: Sequence[str], *, is_prefix: bool) -> float:
        """Return how often words follow each other, each time weighted by its line.

        Args:
            phrase: The words.
            is_prefix: Whether the last may go on.
        """
        counts = (_occurrences(line, phrase, is_prefix=is_prefix) for line in self.lines)
        return sum(weight * count for weight, count in zip(WEIGHTS, counts, strict=False))


def _occurrences(words: Sequence[str], phrase: Sequence[str], *, is_prefix: bool) -> int:
    if len(phrase) == 1 and not is_prefix:
        return words.count(phrase[0])
    *firsts, last = phrase
    ends = (
        at for at in range(len(firsts), len(words)) if (words[at].startswith(last) if is_prefix else words[at] == last)
    )
    return sum(list(words[at - len(firsts) : at]) == firsts for at in ends)
