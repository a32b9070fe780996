"""How many tokens a text has for a server, and where to cut it: exactly, or by an upper bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from senseweave.encoders.runtime.checkpoint import Checkpoint
from senseweave.encoders.runtime.tokenization import Tokenizer
from senseweave.extras import require

Place = tuple[int, int]
"""Tokens of a text, and the character at which the token at a limit ends."""


@dataclass(frozen=True)
class TokenCounter:
    """Counts tokens and cuts texts.

    Attributes:
        places: For texts and a limit: the number of tokens of each text, and the length of its first `limit` tokens in
            characters.
        exact: Whether the numbers are those of the server; texts are cut only then.
    """

    places: Callable[[Sequence[str], int], list[Place]]
    exact: bool

    def cut(self, texts: Sequence[str], limit: int) -> Iterator[tuple[str, int, int]]:
        """Yield each text, cut to `limit` tokens, with the tokens it has then and the tokens that it lost."""
        for text, (count, end) in zip(texts, self.places(texts, limit), strict=True):
            if self.exact and count > limit:
                yield text[:end], limit, count - limit
            else:
                yield text, count, 0


def by_bytes() -> TokenCounter:
    """Return a bound that needs no vocabulary: a byte-level tokenizer makes no more tokens than there are bytes."""
    return TokenCounter(lambda texts, limit: [(len(text.encode()), len(text)) for text in texts], exact=False)


def by_tokenizer(checkpoint: Checkpoint) -> TokenCounter:
    """Return counts by a tokenizer of transformers, special tokens included."""
    tokenizer = Tokenizer.load(checkpoint)

    def places(texts: Sequence[str], limit: int) -> list[Place]:
        whole = tokenizer.prepare(texts, None)
        cut = tokenizer.prepare(texts, limit, offsets=True)
        return [
            (len(full.data["input_ids"]), max((end for _, end in short.data["offset_mapping"]), default=0))
            for full, short in zip(whole, cut, strict=True)
        ]

    return TokenCounter(places, exact=True)


def by_tiktoken(model: str) -> TokenCounter | None:
    """Return counts by OpenAI's own tokenizer, or None where its vocabulary is not at hand.

    tiktoken fetches the vocabulary of a model when it is first used, and keeps it in `TIKTOKEN_CACHE_DIR`.
    """
    tiktoken = require("tiktoken", extra="openai")
    try:
        encoding = tiktoken.encoding_for_model(model)
    except (OSError, ValueError, KeyError):  # requests' errors are OSErrors
        return None

    def places(texts: Sequence[str], limit: int) -> list[Place]:
        found = []
        for ids in encoding.encode_batch(list(texts), disallowed_special=()):
            kept = encoding.decode(ids[:limit]).rstrip("\ufffd")  # a cut may split a character
            found.append((len(ids), len(kept)))
        return found

    return TokenCounter(places, exact=True)
