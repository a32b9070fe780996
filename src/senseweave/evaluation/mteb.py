"""Adapts a space to mteb, so that `mteb.evaluate` measures it on tasks of text, images, audio and video."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from senseweave.encoders.base import Role
from senseweave.errors import UnsupportedModalityError
from senseweave.extras import require
from senseweave.media import MEDIA_CLASSES, MODALITIES, Clip, Media, Modality
from senseweave.spaces import Space, load


class MtebModel:
    """A space as mteb's `EncoderProtocol`.

    Items of several modalities, such as an image with its title, get the normalized sum of the vectors of the
    modalities that the space can embed, as in mteb's own wrappers of CLIP.
    """

    def __init__(
        self, model: str | Space, revision: str | None = None, *, device: str | Sequence[str] | None = None
    ) -> None:
        """Take a space, or load one by name.

        Args:
            model: A name that `senseweave.load` takes, or a space.
            revision: Revision of the model on the hub, if `model` is a name.
            device: torch device to load the model on, or several, if `model` is a name.
        """
        require("mteb", extra="eval", feature="evaluation with mteb")
        options: dict[str, Any] = {}
        options |= {"revision": revision} if revision is not None else {}
        options |= {"device": device} if device is not None else {}
        self.space = load(model, **options) if isinstance(model, str) else model
        self._revision = revision

    @property
    def mteb_model_meta(self) -> Any:
        """The description that mteb writes beside results: name, modalities, dimension, fingerprint as the revision."""
        from mteb.models import ModelMeta
        from mteb.models.model_meta import ScoringFunction

        name = self.space.name if "/" in self.space.name else f"senseweave/{self.space.name}"
        return ModelMeta(
            loader=None,
            name=name,
            revision=self._revision or self.space.fingerprint,
            release_date=None,
            languages=None,
            n_parameters=None,
            memory_usage_mb=None,
            max_tokens=self.space.max_length,
            embed_dim=self.space.dimension,
            license=None,
            open_weights=None,
            public_training_code=None,
            public_training_data=None,
            framework=["PyTorch"],
            similarity_fn_name=ScoringFunction.COSINE,
            use_instructions=False,
            training_datasets=None,
            modalities=list(self.space.modalities),
        )

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **options: Any,
    ) -> np.ndarray:
        """Embed the items of a task's data loader.

        Args:
            inputs: Batches with columns `text`, `image`, `audio`, `video`.
            task_metadata: Metadata of the task; only its name is used, in errors.
            hf_split: Split of the data set; ignored.
            hf_subset: Subset of the data set; ignored.
            prompt_type: `query` or `document`, which becomes the role; None counts as `document`.
            **options: mteb's options for encoders, such as a batch size; ignored: the engine fills its own batches.

        Returns:
            Shape (items, dimension), float32.

        Raises:
            UnsupportedModalityError: If the space embeds none of the columns.
        """
        del hf_split, hf_subset, options
        role: Role = "query" if getattr(prompt_type, "value", prompt_type) == "query" else "document"
        rows: list[np.ndarray] = []
        for batch in inputs:
            given = [modality for modality in MODALITIES if modality in batch]
            usable = [modality for modality in given if modality in self.space.modalities]
            if not usable:
                missing = given[0] if given else str(getattr(task_metadata, "name", "this task"))
                raise UnsupportedModalityError(self.space.name, missing, self.space.modalities)
            vectors = [
                self.space.encode([_media(modality, item) for item in batch[modality]], role=role).vectors
                for modality in usable
            ]
            total = np.sum(vectors, axis=0)
            rows.append(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12))
        return np.concatenate(rows).astype(np.float32)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the cosine similarities of all pairs, a torch tensor of shape (n, m)."""
        torch = require("torch", extra="text")
        left, right = _as_rows(embeddings1), _as_rows(embeddings2)
        return torch.from_numpy(self.space.similarity(left, right))

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the cosine similarities of corresponding rows, a torch tensor of shape (n,)."""
        torch = require("torch", extra="text")
        left, right = _as_rows(embeddings1), _as_rows(embeddings2)
        norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        return torch.from_numpy((left * right).sum(axis=1) / np.maximum(norms, 1e-12))


def _as_rows(values: Any) -> np.ndarray:
    array = values.detach().cpu().float().numpy() if hasattr(values, "detach") else np.asarray(values, dtype=np.float32)
    return np.atleast_2d(array)


def _media(modality: Modality, item: Any) -> Media:
    if modality == "text":
        return MEDIA_CLASSES["text"](item if isinstance(item, str) else " ".join(map(str, item)))
    if modality == "audio" and hasattr(item, "get_all_samples"):  # a torchcodec decoder
        samples = item.get_all_samples()
        item = (samples.data.numpy(), samples.sample_rate)
    if modality == "video":
        item = _clip(item)
    return MEDIA_CLASSES[modality](item)


def _clip(item: Any) -> Any:
    """Return mteb's frames, shape (t, 3, height, width), in the shape that `Video` takes."""
    frames: Any = item.get("frames", item) if isinstance(item, Mapping) else item
    if hasattr(frames, "detach"):
        frames = frames.detach().cpu().numpy()
    if isinstance(frames, Sequence) and not isinstance(frames, (str, bytes)):
        frames = np.stack([np.asarray(frame) for frame in frames])
    if not isinstance(frames, np.ndarray):
        return frames
    if frames.ndim == 4 and frames.shape[1] == 3 and frames.shape[-1] != 3:
        frames = frames.transpose(0, 2, 3, 1)
    return Clip(frames.astype(np.uint8), np.arange(len(frames), dtype=np.float64))
