"""A tokenizer without transformers: what a `tokenizer.json` says, with a count of what truncation removes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from senseweave.encoders.base import Prepared
from senseweave.encoders.runtime.tokenization import why_unread
from senseweave.extras import require
from senseweave.forking import Lock


class FastTokenizer:
    """Tokenizes texts by the library `tokenizers` alone."""

    def __init__(self, tokenizer: Any, padding: int) -> None:
        """Take a tokenizer of the library.

        Args:
            tokenizer: `tokenizers.Tokenizer`; it is changed.
            padding: Id of the token that texts are padded with.
        """
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._lock = Lock()
        self.padding = padding

    @classmethod
    def read(cls, path: Path, padding: int) -> FastTokenizer:
        """Read a `tokenizer.json`."""
        return cls.parse(path.read_text(encoding="utf-8"), padding)

    @classmethod
    def parse(cls, content: str, padding: int) -> FastTokenizer:
        """Take the content of a `tokenizer.json`."""
        library = require("tokenizers", extra="onnx")
        return cls(library.Tokenizer.from_str(content), padding)

    def save(self, path: Path) -> None:
        """Write a `tokenizer.json`."""
        with self._lock:
            path.write_text(self._tokenizer.to_str(), encoding="utf-8")

    def prepare(self, texts: Sequence[str], limit: int | None, *, bucket: Hashable = None) -> list[Prepared]:
        """Tokenize without padding, as `Tokenizer.prepare` does.

        Args:
            texts: With their prompts.
            limit: Tokens that are kept, special tokens included; None for all.
            bucket: Passed on to every item.
        """
        if not texts:
            return []
        prepared = []
        with self._lock:
            if len(texts) == 1:  # a batch would wake the tokenizer's threads
                encodings = [self._tokenizer.encode(texts[0])]
            else:
                encodings = self._tokenizer.encode_batch_fast(list(texts))
            for text, encoding in zip(texts, encodings, strict=True):
                ids = encoding.ids
                dropped = 0 if limit is None else max(0, len(ids) - limit)
                if dropped:
                    ids = self._cut(text, limit)
                error = why_unread(len(ids), dropped, limit, self._special)
                prepared.append(Prepared({"input_ids": ids}, max(1, len(ids)), bucket, dropped, error))
        return prepared

    def _special(self) -> int:
        return int(self._tokenizer.num_special_tokens_to_add(is_pair=False))

    def _cut(self, text: str, limit: int | None) -> list[int]:
        self._tokenizer.enable_truncation(limit)
        try:
            ids: list[int] = self._tokenizer.encode(text).ids
        finally:
            self._tokenizer.no_truncation()
        return ids
