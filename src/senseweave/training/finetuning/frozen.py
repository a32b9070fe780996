"""A linear head over an encoder that stays as it is: any space, any modality, and vectors that are computed once."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from senseweave.encoders.base import Role
from senseweave.encoders.families.aligned import CONFIG, WEIGHTS, Config
from senseweave.encoders.parts.heads import Head, Linear, unit
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Media
from senseweave.spaces import Space
from senseweave.training.alignment import base_model


class FrozenModel:
    """A space with a square matrix behind it, which is what is trained; before training it is the identity.

    It has the members of `TrainableModel`. What it saves is an aligned space of one side: the matrix, and the name,
    options and fingerprint of the encoder.
    """

    def __init__(self, space: Space, device: str | None) -> None:
        """Put a head behind a space.

        Args:
            space: Loaded by name, so that the saved folder can name it.
            device: Where the head is trained; the CPU if None.
        """
        self.space = space
        self.name = space.name
        library = require("sentence_transformers", extra="training", feature="fine-tuning")
        module = vector_head_class()(space.dimension)
        self.modules = library.SentenceTransformer(modules=[module], device=device or "cpu")
        self._known: dict[tuple[Media, Role], np.ndarray] = {}
        self._used: set[str] = set()

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that it embeds."""
        return self.space.modalities

    @property
    def dimension(self) -> int:
        """The length of its vectors."""
        return self.space.dimension

    def read(self, media: Media) -> Media:
        """Return an item as `preprocess` takes it: the media itself, whose vector is known."""
        return media

    def preprocess(self, items: Sequence[Media], role: Role) -> dict[str, Any]:
        """Return the frozen vectors of a batch."""
        torch = require("torch", extra="training")
        return {"sentence_embedding": torch.from_numpy(self._frozen(items, role))}

    def vectors(self, media: Sequence[Media], role: Role) -> np.ndarray:
        """Return unit vectors behind the head, shape (n, dimension), float32."""
        return self._head().apply(self._frozen(media, role))

    def merge(self) -> None:
        """Do nothing: there is no adapter."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the head and what it stands on, as `Alignment.save` does."""
        safetensors = require("safetensors.numpy", extra="training", feature="saving a head")
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        modalities = [modality for modality in self.space.modalities if modality in self._used]
        source, target = base_model(self.space, modalities), base_model(self.space, [])
        if source.options is None:
            msg = f"{self.name!r} was not loaded by name, so that a folder cannot say how to load it"
            raise ModelError(msg)
        head = self._head()
        config = Config(
            {"source": source, "target": target},
            {"source": head.settings(), "target": head.settings()},
            {"method": "head"},
        )
        arrays = {**head.arrays("source"), **head.arrays("target")}
        (place / WEIGHTS).write_bytes(safetensors.save(arrays, {"format": "senseweave"}))
        (place / CONFIG).write_text(json.dumps(config.to_json(), indent=1, sort_keys=True), encoding="utf-8")

    def embed_once(self, media: Sequence[Media], role: Role) -> None:
        """Compute the frozen vectors of media that are not known yet, in the encoder's own batches."""
        new = [item for item in dict.fromkeys(media) if (item, role) not in self._known]
        if new:
            self._used.update(item.modality for item in new)
            for item, vector in zip(new, unit(self.space.embed(new, role=role)), strict=True):
                self._known[item, role] = vector

    def _frozen(self, media: Sequence[Media], role: Role) -> np.ndarray:
        self.embed_once(media, role)
        return np.stack([self._known[item, role] for item in media]).astype(np.float32)

    def _head(self) -> Head:
        weight = self.modules[0].weight.detach().float().cpu().numpy()
        return Head((Linear(mean=np.zeros(len(weight), np.float32), weight=weight),))


@cache
def vector_head_class() -> Any:
    """Return the module of sentence-transformers that multiplies vectors by a matrix."""
    torch = require("torch", extra="training")
    base = require("sentence_transformers.base.modules", extra="training").Module

    class VectorHead(base):  # type: ignore[misc, valid-type]
        config_keys = ("dimension",)

        def __init__(self, dimension: int) -> None:
            super().__init__()
            self.dimension = dimension
            self.weight = torch.nn.Parameter(torch.eye(dimension))

        def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
            vectors = features["sentence_embedding"].to(self.weight.dtype) @ self.weight
            return {**features, "sentence_embedding": torch.nn.functional.normalize(vectors, dim=-1)}

        def get_embedding_dimension(self) -> int:
            return self.dimension

        def save(self, output_path: str, *_: Any, safe_serialization: bool = True, **__: Any) -> None:
            self.save_config(output_path)
            self.save_torch_weights(output_path, safe_serialization=safe_serialization)

        @classmethod
        def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> Any:
            place: dict[str, Any] = {"subfolder": subfolder, "local_files_only": True}
            module = cls(**cls.load_config(model_name_or_path=model_name_or_path, **place))
            return cls.load_torch_weights(model_name_or_path=model_name_or_path, model=module, **place)

    return VectorHead
