"""Choose the encoding of a text without a declaration: every ordinary one is tried, and what it gives is judged."""

# ruff: noqa: RUF001  (typographic signs are meant)

from __future__ import annotations

import codecs
import functools
import math
import re
import unicodedata
from typing import Final

from senseweave.extras import require

_SAMPLE_BYTES: Final = 1 << 12
_CONTEXT_BYTES: Final = 80
_WESTERN = "de fr es it pt nl sv da fi is sq et ca en"
_CENTRAL = "pl cs sk hu ro hr sl sq de"
_CYRILLIC = "ru uk bg sr be mk"
_ALPHABETS: Final = {
    "be": "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
    "bg": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "ca": "àéèíïòóúüç",
    "cs": "áčďéěíňóřšťúůýžöü",
    "da": "æøåéöäüó",
    "de": "äöüßéè",
    "en": "éèïçêôüñöàâóáëäåíøöû",
    "es": "áéíóúñüç",
    "et": "äöõüšž",
    "fi": "äöåéšž",
    "fr": "éèàâêîôûçëïüùœæÿñ",
    "hr": "čćđšžé",
    "hu": "áéíóöőúüű",
    "is": "áðéíóúýþæö",
    "it": "àèéìòùîóíú",
    "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūž",
    "mk": "абвгдѓежзѕијклљмнњопрстќуфхцчџш",
    "nl": "éëïöüóèêáíçâ",
    "pl": "ąćęłńóśźż",
    "pt": "ãõáéíóúâêôçàü",
    "ro": "ăâîşţșț",
    "ru": "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
    "sk": "áäčďéíĺľňóôŕšťúýž",
    "sl": "čšžćđéü",
    "sq": "ëç",
    "sr": "абвгдђежзијклљмнњопрстћуфхцчџш",
    "sv": "åäöéàüè",
    "tr": "çğıöşüâîû",
    "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
}
"""Letters beside a to z of the languages that share an encoding, in print and in common foreign words."""
_RARER: Final = {"is": 0.5, "mk": 0.3, "et": 0.2, "sq": 0.2, "sr": 0.1, "be": 0.1}
"""A small language whose letters resemble another's mojibake needs better evidence."""
_ENCODINGS: Final[dict[str, tuple[float, str]]] = {
    "cp1252": (1.0, _WESTERN),
    "iso8859-15": (0.95, _WESTERN),
    "iso8859-1": (0.95, _WESTERN),
    "cp850": (0.6, _WESTERN),
    "cp437": (0.6, _WESTERN),
    "cp858": (0.6, _WESTERN),
    "mac-roman": (0.6, _WESTERN),
    "cp1250": (0.75, _CENTRAL),
    "iso8859-2": (0.755, _CENTRAL),
    "iso8859-16": (0.4, _CENTRAL),
    "cp852": (0.3, _CENTRAL),
    "mac-latin2": (0.2, _CENTRAL),
    "cp1254": (0.75, "tr"),
    "iso8859-9": (0.7, "tr"),
    "cp857": (0.2, "tr"),
    "cp1257": (0.7, "lt lv et"),
    "iso8859-13": (0.65, "lt lv et"),
    "iso8859-4": (0.2, "lt lv et"),
    "cp775": (0.2, "lt lv et"),
    "cp1251": (0.9, _CYRILLIC),
    "koi8-r": (0.85, _CYRILLIC),
    "koi8-u": (0.8, _CYRILLIC),
    "cp866": (0.8, _CYRILLIC),
    "iso8859-5": (0.75, _CYRILLIC),
    "mac-cyrillic": (0.7, _CYRILLIC),
    "cp855": (0.1, _CYRILLIC),
    "cp1253": (0.9, ""),
    "iso8859-7": (0.85, ""),
    "cp1255": (0.9, ""),
    "iso8859-8": (0.85, ""),
    "cp1256": (0.8, ""),
    "iso8859-6": (0.75, ""),
    "cp874": (0.9, ""),
    "tis-620": (0.85, ""),
    "cp1258": (0.3, ""),
    "cp932": (1.0, ""),
    "shift_jis_2004": (0.5, ""),
    "euc_jis_2004": (0.9, ""),
    "gb18030": (0.9, ""),
    "big5hkscs": (0.9, ""),
    "cp949": (0.9, ""),
}
"""Every encoding that is tried, how usual it is beside Windows-1252, and the languages that were kept in it (none where
the script alone shows a wrong choice). Weights are those of the measurement in tests/media/test_encodings.py."""
_EAST_ASIAN: Final = {"cp932", "shift_jis_2004", "euc_jis_2004", "gb18030", "big5hkscs", "cp949"}
_LEAST_CONFIDENCE: Final = 0.03
"""Added to the detector's confidence in an encoding, so that it alone never rules an encoding out."""
_COSTS: Final = {"control": 3.0, "mixed": 2.0, "case": 1.5, "inside": 2.0, "rare": 1.2, "side": 1.0, "half": 1.5}
_SHARPNESS, _FOREIGN_COST, _ALONE_COST = 1.4, 1.2, 2.0
_JOINS: Final = frozenset("'’‘-‐‑·\u00adªº")
"""What may stand between two letters of a word."""
_RARE: Final = frozenset("¤¦¨¬¯´¸ˇ˘˙˛˝˜ˆ¶†‡‰‹›ƒ¢¥÷×±‚„¹³¼¾")
_NOT_AFTER_LETTERS: Final = frozenset("“‚„‘«¿¡£§©")
_NOT_BEFORE_LETTERS: Final = frozenset("”’»…™")
_APOSTROPHE: Final = re.compile(rb"(?i)[a-z]\x92(?:s|t|ll|re|ve|d|m)\b|\b(?:[cdjlmnst]|qu)\x92[a-z\x80-\xff]")
"""The apostrophe of Windows in an English or French word; on a Mac the byte is a letter."""
_UNIT: Final = re.compile(rb"(?i)(?<![a-z\x80-\xff])[kcdm]?m[\xb2\xb3](?![a-z\x80-\xff])")
"""An area or a volume as Western encodings write it; those of Central Europe have a letter or an accent there."""


def choose_encoding(data: bytes) -> tuple[str, str | None]:
    """Return the name of Python's codec that most likely wrote some bytes that are not UTF-8, and a note or None.

    Chardet's models of languages judge each encoding, and so does what it would make of the bytes: controls, words of
    two scripts, capitals and signs inside words and letters that no language of the encoding has all speak against it.
    Windows-1252 wins unless another encoding fits clearly better. Without chardet the letters alone decide, which the
    note says.

    Args:
        data: The bytes of a text.
    """
    sample = telling_lines(data)
    note = None
    try:
        confidence = _confidence(sample)
    except ImportError as error:
        confidence, note = {}, f"is read as {{}}, the best guess from its letters alone ({error})"
    apostrophe, unit = (pattern.search(sample) is not None for pattern in (_APOSTROPHE, _UNIT))
    best, chosen = -math.inf, "cp1252"
    for encoding in _ENCODINGS:
        text = _decoded(sample, encoding)
        if text is None:
            continue
        score = _plausibility(text, encoding) + math.log(confidence.get(encoding, 0.0) + _LEAST_CONFIDENCE)
        if (apostrophe and "’" not in text) or (unit and not re.search("[²³]", text)):
            score -= _ALONE_COST
        if score > best:
            best, chosen = score, encoding
    return chosen, note.format(chosen) if note is not None else None


def _confidence(sample: bytes) -> dict[str, float]:
    """Return chardet's confidence in each encoding.

    Raises:
        ImportError: If chardet is not installed.
    """
    chardet = require("chardet", extra="documents", feature="a better guess")
    detected = chardet.detect_all(
        sample,
        compat_names=False,
        include_encodings=list(_ENCODINGS),
        ignore_threshold=True,
        no_match_encoding="cp1252",
        empty_input_encoding="cp1252",
    )
    return {candidate["encoding"]: candidate["confidence"] for candidate in detected}


def telling_lines(data: bytes) -> bytes:
    """Return the first lines that hold anything but ASCII, a few KB of them.

    A long English text then cannot outvote the few names in it.
    """
    lines, size = [], 0
    for line in data.splitlines(keepends=True):
        if line.isascii():
            continue
        if len(line) > _SAMPLE_BYTES:
            start = max(0, re.search(rb"[\x80-\xff]", line).start() - _CONTEXT_BYTES)  # type: ignore[union-attr]
            line = line[start : start + _SAMPLE_BYTES]
        lines.append(line)
        size += len(line)
        if size >= _SAMPLE_BYTES:
            break
    return b"".join(lines)


def _decoded(sample: bytes, encoding: str) -> str | None:
    """Return a sample, whose last character may be cut off, in an encoding; None if it is not in that encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeError:
        return None


def _plausibility(text: str, encoding: str) -> float:
    """Return how well decoded text reads, as the logarithm of a weight."""
    usual, languages = _ENCODINGS[encoding]
    cost, count = _oddities(text)
    cost += _FOREIGN_COST * _foreign_letters(text, languages)
    score = math.log(usual) - _SHARPNESS * cost / math.sqrt(max(1, count))
    words = re.findall(r"[^\W\d_a-zA-Z\u00aa-\u024f]+", text)  # of other scripts than Latin
    if words and max(map(len, words)) < (2 if encoding in _EAST_ASIAN else 3):
        score -= _ALONE_COST  # a letter or two of another script are a sign of Latin text misread
    return score


def _oddities(text: str) -> tuple[float, int]:
    """Return what counts against a text, and the number of its characters beyond ASCII."""
    cost, count = 0.0, 0
    before, kind_before = " ", ""
    for letter, after in zip(text, f"{text[1:]} ", strict=False):
        kind = _kind(letter)
        if letter.isascii():
            if letter.isupper() and before.islower() and not before.isascii():
                cost += _COSTS["case"]
        else:
            count += 1
            cost += _oddity(letter, kind, before, kind_before, after, _kind(after))
        before, kind_before = letter, kind
    return cost, count


def _oddity(letter: str, kind: str, before: str, kind_before: str, after: str, kind_after: str) -> float:
    if kind == "control":
        return _COSTS["control"]
    if kind:
        cost = 0.0
        if kind_before not in ("", "control", kind) or kind_after not in ("", "control", kind):
            cost += _COSTS["mixed"]
        if (letter.isupper() and before.islower()) or (letter.islower() and before.isupper() and after.isupper()):
            cost += _COSTS["case"]
        return cost + (_COSTS["half"] if "\uff61" <= letter <= "\uff9f" else 0.0)
    if "\u3000" <= letter <= "\u303f" or "\uff01" <= letter <= "\uff60":  # East Asian text has no spaces
        return 0.0
    if kind_before and kind_after and letter not in _JOINS:
        return _COSTS["inside"]
    if letter in _RARE or "\u2190" <= letter <= "\u25ff" or "\uff61" <= letter <= "\uff9f":
        return _COSTS["rare"]
    if (kind_before and letter in _NOT_AFTER_LETTERS) or (kind_after and letter in _NOT_BEFORE_LETTERS):
        return _COSTS["side"]
    return 0.0


def _foreign_letters(text: str, languages: str) -> float:
    """Return how many letters the best fitting of some languages does not have."""
    letters = [letter for letter in text.lower() if not letter.isascii() and letter.isalpha() and letter not in "ªºµ"]
    if not letters or not languages:
        return 0.0
    return min(
        sum(letter not in alphabet for letter in letters) + _RARER.get(language, 0.0)
        for language, alphabet in ((name, _ALPHABETS[name]) for name in languages.split())
    )


@functools.lru_cache(4096)
def _kind(character: str) -> str:
    """Return the script of a letter, `control` for what no text holds, and an empty string for anything else."""
    if character.isascii():
        return "LATIN" if character.isalpha() else ""
    category = unicodedata.category(character)
    if category in ("Cc", "Co", "Cn"):
        return "control"
    if category[0] not in "LM" or character in "ªºµ":
        return ""
    script = unicodedata.name(character, "").partition(" ")[0]
    return script if script in ("LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI") else "OTHER"
