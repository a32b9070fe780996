"""The family `example:`: a text is the mean of the vectors of its words, which a safetensors file holds by hash."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.detection import Rule, has_model_type
from senseweave.encoders.family import Family
from senseweave.encoders.runtime.checkpoint import Checkpoint, resolve
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import WeightsError
from senseweave.media import Modality


class ExampleText(Encoder):
    """Texts as means of word vectors; no word is unknown, since a hash chooses its row."""

    modality: ClassVar[Modality] = "text"
    batch_budget = 1000

    def __init__(self, checkpoint: Checkpoint, *, max_length: int, lowercase: bool) -> None:
        self.checkpoint = checkpoint
        self.max_length = max_length
        self.lowercase = lowercase
        self._dimension = int(checkpoint.json("config.json")["hidden_size"])
        self._table: Lazy[np.ndarray] = Lazy(self._load)
        self.parts = (self._table,)

    @property
    def dimension(self) -> int:
        return self._dimension

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        rows = len(self._table())
        prepared = []
        for text in items:
            words = (text.lower() if self.lowercase else text).split()
            hashes = [zlib.crc32(word.encode()) % rows for word in words]
            kept = hashes[: self.max_length]
            error = None if kept else "it holds no token"
            prepared.append(Prepared(kept, cost=len(kept), dropped=len(hashes) - len(kept), error=error))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        table = self._table()
        return Encoded(np.stack([table[item.data].mean(axis=0) for item in batch]))

    def identity(self) -> Mapping[str, object]:
        return {"family": "example", "model": self.checkpoint.identity(), "lowercase": self.lowercase}

    def _load(self) -> np.ndarray:
        from safetensors.numpy import load_file

        tensors: dict[str, Any] = load_file(self.checkpoint.folder / "model.safetensors")
        if "words" not in tensors:
            raise WeightsError(f"{self.checkpoint.name} lacks the tensor 'words'")
        return tensors["words"]


def build(
    name: str, *, device: str | None = None, revision: str | None = None, max_length: int = 64, lowercase: bool = True
) -> dict[Modality, Encoder]:
    """Build the text encoder of a checkpoint; it computes on the CPU whatever `device` says."""
    return {"text": ExampleText(resolve(name, revision=revision), max_length=max_length, lowercase=lowercase)}


FAMILY = Family(
    scheme="example",
    build=build,
    modalities=("text",),
    extra=None,
    summary="means of hashed word vectors, the worked example of a family from another distribution",
    examples=("example:path/to/model",),
    dimensions=(None,),
    license="by model",
    rules=(Rule(has_model_type("example")),),
)
