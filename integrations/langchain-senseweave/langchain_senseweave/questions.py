"""Questions as users ask them in a chat: words, or a message whose blocks hold words, pictures and sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from senseweave.interop import Media, MediaPolicy, Text, is_block, media_from_block

Question = str | BaseMessage | Sequence[str | Mapping[str, Any]]
"""Words, a message, or the content of a message: strings and blocks of LangChain or of a provider."""


def read_question(question: Question, policy: MediaPolicy | None = None) -> list[Media]:
    """Return the parts of a question, in order; empty texts are left out.

    Args:
        question: A message, or its content.
        policy: What may be read, where a block names a URL.

    Raises:
        MediaError: If a block holds nothing that can be read.
        TypeError: If it is nothing of these, for example all values of a chain.
        ValueError: If nothing is asked.
    """
    content: Any = question.content if isinstance(question, BaseMessage) else question
    parts = content if isinstance(content, Sequence) and not isinstance(content, (str, bytes)) else [content]
    for part in parts:
        if not isinstance(part, str) and not is_block(part):
            raise TypeError(_refusal(part))
    read = [Text(part) if isinstance(part, str) else media_from_block(part, policy) for part in parts]
    media = [part for part in read if not isinstance(part, Text) or part.decode().strip()]
    if not media:
        msg = "the question is empty: it holds neither words nor media"
        raise ValueError(msg)
    return media


def _refusal(part: Any) -> str:
    """Return why something is no question, and what to give instead."""
    expected = "a question is words, a message, or the content blocks of a message"
    if isinstance(part, Mapping):
        keys = ", ".join(map(str, part)) or "none"
        return (
            f"{expected}, not a dict with the keys {keys}; pick the question out of it, as itemgetter('question') does"
        )
    instead = "; give the last of several messages alone" if isinstance(part, BaseMessage) else ""
    return f"{expected}, not {type(part).__name__}{instead}"


def question_words(media: Sequence[Media]) -> str:
    """Return a question in words, in which media are named and not shown."""
    return " ".join(part.decode() if isinstance(part, Text) else f"[{part.modality}]" for part in media)
