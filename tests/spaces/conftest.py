"""A space whose encoder is small enough to follow by hand: vectors of letter counts."""

from __future__ import annotations

import string
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.media import Modality
from senseweave.spaces import Space


class Letters(Encoder):
    """Counts letters; remembers its batches; reads at most `max_length` letters; fails as it is told to."""

    modality: ClassVar[Modality] = "text"

    def __init__(self, *, max_length: int = 40, batch_budget: int = 60) -> None:
        self.max_length = max_length
        self.batch_budget = batch_budget
        self.batches: list[list[str]] = []
        self.closed = 0
        self.busy = threading.Lock()
        self.overlapped = False
        self.wait: threading.Event | None = None

    @property
    def dimension(self) -> int:
        return 27

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        prompt = "q" if role == "query" else ""
        limit = self.max_length
        assert limit is not None
        return [
            Prepared(prompt + t[:limit], cost=max(1, len(t[:limit])), dropped=max(0, len(t) - limit)) for t in items
        ]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        if not self.busy.acquire(blocking=False):
            self.overlapped = True
            self.busy.acquire()
        try:
            if self.wait is not None:
                self.wait.wait(10)
            self.batches.append([item.data for item in batch])
            rows = [[item.data.count(letter) for letter in string.ascii_lowercase] + [0.5] for item in batch]
            vectors = np.asarray(rows, dtype=np.float32)
            errors = {}
            for row, one in enumerate(batch):
                if "nan" in one.data:
                    vectors[row, 0] = np.nan
                if "zero" in one.data:
                    vectors[row] = 0
                if "bad" in one.data:
                    errors[row] = "it is bad"
            return Encoded(vectors, errors=errors)
        finally:
            self.busy.release()

    def identity(self) -> Mapping[str, object]:
        return {"family": "letters", "max_length": self.max_length}

    def close(self) -> None:
        super().close()
        self.closed += 1


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.fixture
def make_space() -> Callable[..., Space]:
    """A space around an encoder."""

    def made(encoder: Encoder, **options: Any) -> Space:
        return Space("letters", {encoder.modality: encoder}, **options)

    return made


@pytest.fixture
def space(letters: Letters, make_space: Callable[..., Space]) -> Space:
    return make_space(letters, cache_size=0)


@pytest.fixture
def counts() -> Callable[[Sequence[str]], np.ndarray]:
    """The vectors that texts must get."""

    def expected(texts: Sequence[str]) -> np.ndarray:
        rows = [[text.count(letter) for letter in string.ascii_lowercase] + [0.5] for text in texts]
        vectors = np.asarray(rows, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return expected
