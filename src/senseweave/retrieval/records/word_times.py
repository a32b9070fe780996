"""When each word of a transcript is said: kept in the metadata of a record, so that a hit can be played from a word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from senseweave.encoders.observation import Transcript

WORD_TIMES: Final = "word_times"
"""Name of the metadata: JSON, a list of pairs of a word and the second of the source at which it begins."""


def keep_word_times(description: str | None, start: float, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with the times of the words of a description, if it has any and the user has no such name.

    Args:
        description: What an encoder says of a chunk.
        start: The second of the source at which the chunk begins.
        own: The metadata so far.
    """
    words = description.words if isinstance(description, Transcript) else ()
    if not words or WORD_TIMES in own:
        return dict(own)
    timed = [[word, round(start + second, 2)] for word, second in words]
    return {**own, WORD_TIMES: json.dumps(timed, ensure_ascii=False, separators=(",", ":"))}


def read_word_times(metadata: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    """Return the words of a record with the seconds at which they begin; nothing if there are none that can be read."""
    written = metadata.get(WORD_TIMES)
    try:
        pairs = json.loads(written) if isinstance(written, str) else []
        return tuple((str(word), float(second)) for word, second in pairs)
    except (ValueError, TypeError):  # the user's own value
        return ()


def find_word(metadata: Mapping[str, Any], word: str) -> float | None:
    """Return the second of the source at which a word is first said in a record, or None if it is not said.

    Args:
        metadata: Of the record.
        word: The word; case and punctuation do not matter.
    """
    wanted = _bare(word)
    return next((second for said, second in read_word_times(metadata) if _bare(said) == wanted), None)


def _bare(word: str) -> str:
    """Return a word without case and punctuation."""
    return "".join(character for character in word.casefold() if character.isalnum())
