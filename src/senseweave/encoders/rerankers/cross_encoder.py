"""Cross-encoders: one model reads query and document together and gives their score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Role
from senseweave.encoders.rerankers.base import Kind, Scorer, Scores
from senseweave.encoders.runtime.padding import SAMPLES, Batching
from senseweave.errors import ModelError
from senseweave.extras import require


class CrossEncoderModel(Scorer):
    """A `sentence_transformers.CrossEncoder`, whose scores are those of its `predict`."""

    kind: ClassVar[Kind] = "cross-encoder"
    library_class: ClassVar[str] = "CrossEncoder"
    unused: ClassVar[tuple[str, ...]] = ()

    def score(self, query: Any, documents: Sequence[Any]) -> Scores:
        """Return the model's output for each pair of query and document."""
        prepared = self._prepare([self._pair(query, document) for document in documents], "document")
        results = self._run(prepared, self._predict)
        errors = {at: result for at, result in enumerate(results) if isinstance(result, str)}
        values = np.array([np.nan if isinstance(result, str) else result for result in results], dtype=np.float64)
        for at in np.flatnonzero(~np.isfinite(values)):
            errors.setdefault(int(at), f"the model gave the score {values[at]}")
            values[at] = np.nan
        return Scores(values, errors, tuple(item.dropped for item in prepared))

    def _pair(self, query: Any, document: Any) -> tuple[Any, Any]:
        """Return a pair as the library takes it; strings beside pictures are marked as text."""
        if isinstance(query, str) and isinstance(document, str):
            return query, document
        pair = tuple({"text": part} if isinstance(part, str) else part for part in (query, document))
        return pair[0], pair[1]

    def _predict(self, pairs: Sequence[Any], **options: Any) -> list[float]:
        values = self._loaded().predict(list(pairs), batch_size=len(pairs), show_progress_bar=False, **options)
        return [float(value) for value in values]

    def _prompt(self, role: Role) -> str:
        del role
        return ""

    def _find_batching(self) -> Batching:
        """Compare raw outputs: the activation that makes scores of them would hide differences."""
        identity = require("torch", extra="text").nn.Identity()

        def forward(pairs: Sequence[Any]) -> np.ndarray:
            values = self._predict(pairs, activation_fn=identity)
            return np.stack([np.asarray(values), np.ones(len(values))], axis=1)

        pairs = [(SAMPLES[-1], text) for text in SAMPLES]
        return self._prove(self._prepare(pairs, "document", "any"), forward)

    def _load(self) -> Any:
        if self._prompts is not None:
            msg = f"{self.name} is a cross-encoder, which reads pairs without prompts of a role; leave prompts out"
            raise ModelError(msg)
        model = super()._load()
        if model.num_labels != 1:
            msg = f"{self.name} gives {model.num_labels} scores per pair; a reranker must give one score per pair"
            raise ModelError(msg)
        return model
