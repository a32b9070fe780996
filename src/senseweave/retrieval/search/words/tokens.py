"""Words of many languages, and identifiers whole and in parts: how texts and queries are cut for the word index."""

# ruff: noqa: RUF001  (a letter that looks like another is meant)

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

CONNECTORS: Final = r"\-_./\\:@+#"
"""What joins the parts of an identifier, a path or a file name."""
UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana, Han
    "\uac00-\ud7af"  # Hangul: written with spaces, but endings are joined to words
)
"""Scripts that are cut into pairs of characters, for they are written without spaces between words."""
MOST_TERMS: Final = 64
"""Terms of a query that are looked for; what is pasted may have thousands."""
LONGEST: Final = 64
"""Characters of an identifier that is kept whole."""
ACCENTS: Final = "\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0670"
"""Marks that people leave out: accents of Latin, Greek and Cyrillic, points of Hebrew, vowels of Arabic."""
INVISIBLE: Final = "\u00ad\u2060"
"""What stands in words and is not seen there: the soft hyphen, at which they may be divided, and the word joiner."""
LETTERS: Final = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"}
)
"""Letters with a stroke or joined, which Unicode does not decompose."""
CAMEL: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
IS_CAMEL: Final = re.compile(r"[a-z][A-Z]|[A-Z]{3}[a-z]{2}")
QUOTED: Final = re.compile('"([^"]+)"|[“„«]([^“”„«»"]+)[”“»]|「([^「」]+)」')


@dataclass(frozen=True)
class Words:
    """The words of a text.

    Attributes:
        parts: Every word and every part of an identifier, folded, in their order.
        wholes: The identifiers of several parts, without what joins these.
    """

    parts: tuple[str, ...]
    wholes: tuple[str, ...]


@dataclass(frozen=True)
class Term:
    """What a query asks for.

    Attributes:
        phrases: Ways to find it, each words that follow each other.
        is_prefix: Whether the last word of a phrase may go on.
    """

    phrases: tuple[tuple[str, ...], ...]
    is_prefix: bool = False


def cut_words(text: str) -> Words:
    """Return the words of a text.

    Case and accents are folded. `E_CONN-042` has the parts `e conn 042` and the whole `econn042`, `getUserName` the
    parts `get user name`; scripts that are written without spaces give every pair of neighbouring characters, and the
    last character alone.
    """
    parts: list[str] = []
    wholes: list[str] = []
    for compound in _compounds(_folded(text)):
        pieces = list(_pieces(compound))
        for piece, is_unspaced in pieces:
            parts += [*_pairs(piece), piece[-1]] if is_unspaced else [piece]
        whole = "".join(piece for piece, is_unspaced in pieces if not is_unspaced)
        if len(pieces) > 1 and whole and len(whole) <= LONGEST:
            wholes.append(whole)
    return Words(tuple(parts), tuple(wholes))


def locate_words(text: str) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """Return the words of a text and its identifiers of several parts, each with where it is written in the text.

    A part of an identifier is where the whole of it is; pairs of characters are where they are, and where Unicode
    writes their script in another number of characters, where the run of them is.
    """
    parts: list[tuple[str, int, int]] = []
    wholes: list[tuple[str, int, int]] = []
    pattern = re.compile(rf"\w+(?:[{CONNECTORS}]+\w+)*") if text.isascii() else _patterns()[0]
    for match in pattern.finditer(text):
        start, end = match.span()
        compound = _folded(match[0])
        words = cut_words(match[0])
        at = 0
        for piece, is_unspaced in _pieces(compound):
            begin = compound.find(piece, at) if is_unspaced else -1
            if begin < 0 or len(compound) != end - start:
                found = [*_pairs(piece), piece[-1]] if is_unspaced else [piece]
                parts += [(word, start, end) for word in found]
                continue
            at = begin + len(piece)
            parts += [(pair, start + begin + i, start + begin + i + 2) for i, pair in enumerate(_pairs(piece))]
            parts.append((piece[-1], start + at - 1, start + at))
        wholes += [(whole, start, end) for whole in words.wholes]
    return parts, wholes


def parse_words(query: str) -> list[Term]:
    """Return what a query asks for: its words, the phrases in quotes, and the beginnings of words before a `*`.

    Nothing in a query is syntax beyond these, and none of it is an error.
    """
    terms: list[Term] = []
    end = 0
    for match in QUOTED.finditer(query):
        terms += _free_terms(query[end : match.start()])
        if phrase := _phrase(next(filter(None, match.groups()))):
            terms.append(phrase)
        end = match.end()
    terms += _free_terms(query[end:])
    return list(dict.fromkeys(terms))[:MOST_TERMS]


def _free_terms(text: str) -> list[Term]:
    """Return the terms of what stands outside of quotes."""
    found: list[Term] = []
    for word in text.split():
        compounds = list(_compounds(_folded(word)))
        for at, compound in enumerate(compounds):
            is_prefix = word.endswith("*") and at == len(compounds) - 1
            found += _compound_terms(compound, is_prefix=is_prefix)
    return found


def _compound_terms(compound: str, *, is_prefix: bool) -> list[Term]:
    """Return an identifier as one term, whole or by its parts, and each pair of characters of unspaced scripts."""
    pieces = list(_pieces(compound))
    found = []
    for piece, is_unspaced in pieces:
        if is_unspaced:
            found += [Term(((pair,),)) for pair in _pairs(piece)] if len(piece) > 1 else [Term(((piece,),), True)]
    spaced = tuple(piece for piece, is_unspaced in pieces if not is_unspaced)
    if spaced:
        whole = "".join(spaced)
        phrases = (spaced,) if len(spaced) == 1 or len(whole) > LONGEST else (spaced, (whole,))
        found.append(Term(phrases, is_prefix))
    return found


def _phrase(text: str) -> Term | None:
    """Return words that must follow each other."""
    pieces = [piece for compound in _compounds(_folded(text)) for piece in _pieces(compound)]
    words: list[str] = []
    is_prefix = text.rstrip().endswith("*")
    for at, (piece, is_unspaced) in enumerate(pieces):
        if not is_unspaced:
            words.append(piece)
            continue
        is_last = at == len(pieces) - 1
        is_prefix |= is_last and len(piece) == 1
        words += _pairs(piece)
        if not is_last or len(piece) == 1:
            words.append(piece[-1])
    return Term((tuple(words),), is_prefix) if words else None


def _pairs(piece: str) -> list[str]:
    return [piece[at : at + 2] for at in range(len(piece) - 1)]


def _folded(text: str) -> str:
    """Return a text without accents and what is not seen, in one form of its characters; case parts identifiers."""
    if text.isascii():
        return text
    bare = re.sub(f"[{ACCENTS}{INVISIBLE}]+", "", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", bare).translate(LETTERS)


def _compounds(text: str) -> Iterator[str]:
    pattern = re.compile(rf"\w+(?:[{CONNECTORS}]+\w+)*") if text.isascii() else _patterns()[0]
    for match in pattern.finditer(text):
        yield match[0]


def _pieces(compound: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of an identifier or a word, folded, and whether they are of an unspaced script."""
    if compound.isascii() and compound.isalpha():
        yield from ((piece, False) for piece in _camel(compound))
        return
    for match in _patterns()[1].finditer(compound):
        unspaced, digits, letters = match.groups()
        if letters:
            yield from ((piece, False) for piece in _camel(letters))
        else:
            yield unspaced or digits, bool(unspaced)


def _camel(letters: str) -> list[str]:
    if letters.isascii() and IS_CAMEL.search(letters):
        return [part.lower() for part in CAMEL.findall(letters)]
    return [letters.casefold()]


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what finds identifiers and words, and what finds their parts.

    `\\w` leaves out the vowel signs of Indic scripts, which are marks.
    """
    marks = _ranges([code for code in range(0x300, 0x12000) if unicodedata.category(chr(code)) in ("Mn", "Mc")])
    word = rf"[\w{marks}]"
    seen = rf"[\w{marks}{INVISIBLE}]"
    compounds = re.compile(rf"{seen}+(?:[{CONNECTORS}]+{seen}+)*")
    return compounds, re.compile(rf"([{UNSPACED}]+)|(\d+)|((?:(?![{UNSPACED}\d_]){word})+)")


def _ranges(codes: list[int]) -> str:
    """Return characters as ranges of a class of a regular expression."""
    runs: list[list[int]] = []
    for code in codes:
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in runs)
