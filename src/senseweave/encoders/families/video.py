"""Video transformers of transformers: VideoMAE, TimeSformer and ViViT, over clips sampled by time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.detection import Rule, has_model_type
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, image_processor, model_type
from senseweave.encoders.parts.preparation import ImagePreparation
from senseweave.encoders.parts.towers import Features
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.encoders.runtime.networks import choose_ways, sample_pictures
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Clip, Modality

BATCH_CLIPS = 2
"""Clips per batch; each is many frames."""


class VideoClips(Encoder):
    """Clips of a fixed number of frames, evenly sampled over a fixed time, through a video model."""

    modality: ClassVar[Modality] = "video"
    window_seconds: float
    batch_budget: int

    def __init__(
        self,
        backbone: Backbone,
        *,
        dimension: Callable[[Any], int],
        frames: Callable[[Any], int],
        features: Features,
        window_seconds: float,
        batch_clips: int = BATCH_CLIPS,
        what: Mapping[str, object] | None = None,
    ) -> None:
        """Describe the encoder.

        Args:
            backbone: The model.
            dimension: Reads the vectors' length from its configuration.
            frames: Reads from it how many frames a clip has.
            features: Computes vectors from `pixel_values`, shape (n, frames, channels, height, width).
            window_seconds: Time that a clip covers; longer video is cut into such windows.
            batch_clips: Clips per batch.
            what: Of the vectors' meaning, what neither weights nor configuration say, for the fingerprint.
        """
        self.backbone = backbone
        self.window_seconds = window_seconds
        self.batch_budget = batch_clips
        self._dimension = dimension
        self._frames = frames
        self._features = features
        self._what = dict(what or {})
        self._preparation: Lazy[ImagePreparation] = Lazy(
            lambda: ImagePreparation(image_processor(backbone.checkpoint, backbone.extra))
        )
        self.parts = (self._preparation, backbone)

    @property
    def dimension(self) -> int:
        """The length of the vectors."""
        return self._dimension(self.backbone.config)

    @property
    def decode_options(self) -> Mapping[str, object]:
        """The number of frames that the model was trained on."""
        return {"frames": self._frames(self.backbone.config)}

    def prepare(self, items: Sequence[Clip], role: Role) -> list[Prepared]:
        """Resize, crop and scale every frame by the model's own processor, shape (frames, channels, height, width)."""
        preparation = self._preparation()
        return [Prepared(preparation.frames(clip.frames)) for clip in items]

    def load(self) -> None:
        """Load the model, and find out how it computes fastest."""
        super().load()
        self._choose_ways()

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors in float32."""
        self._choose_ways()
        return Encoded(self._compute([item.data for item in batch]))

    def describe_backend(self) -> Mapping[str, object]:
        """Return how the network was made faster, see `senseweave.encoders.runtime.networks`."""
        return {"backend": "torch", "network": list(self._choose_ways())}

    def _choose_ways(self) -> tuple[str, ...]:
        def sample() -> list[np.ndarray]:
            frame = np.asarray(sample_pictures()[0])
            return [self._preparation().frames(np.stack([frame] * self._frames(self.backbone.config)))]

        return choose_ways(self.backbone.checkpoint.name, self.backbone(), sample, self._compute)

    def _compute(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        torch = require("torch", extra=self.backbone.extra)
        pixels = self.backbone.to_device(torch.from_numpy(np.stack(clips)))
        with self.backbone.inference():
            vectors: np.ndarray = self._features(self.backbone(), {"pixel_values": pixels}).float().cpu().numpy()
        return vectors

    def identity(self) -> Mapping[str, object]:
        """Return model, window and pooling."""
        return {
            "video": "clips",
            "model": self.backbone.identity(),
            "window_seconds": self.window_seconds,
            **self._what,
        }


@dataclass(frozen=True)
class Architecture:
    """How a video transformer is read.

    Attributes:
        pooling: `cls` (first state) or `mean` over all states.
        class_name: The class in transformers.
        unused: Prefixes of parameters that the vectors do not depend on.
        window_seconds: Frames times the authors' sampling step, at 25 frames per second.
        source: Where that is written.
    """

    pooling: str
    class_name: str
    unused: tuple[str, ...]
    window_seconds: float
    source: str


ARCHITECTURES: dict[str, Architecture] = {
    "videomae": Architecture(
        "mean", "VideoMAEModel", (), 16 * 4 / 25, "Tong et al. 2022, arXiv 2203.12602, section 4.1: 16 frames, step 4"
    ),
    "timesformer": Architecture(
        "cls",
        "TimesformerModel",
        (),
        8 * 32 / 25,
        "Bertasius et al. 2021, arXiv 2102.05095, section 4: 8 frames, step 32",
    ),
    "vivit": Architecture(
        "cls",
        "VivitModel",
        ("pooler.",),
        32 * 2 / 25,
        "Arnab et al. 2021, arXiv 2103.15691, section 4.1: 32 frames, step 2",
    ),
}


def build(
    name: str,
    *,
    window_seconds: float | None = None,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    batch_clips: int = BATCH_CLIPS,
) -> dict[Modality, Encoder]:
    """Build the video encoder of a VideoMAE, TimeSformer or ViViT checkpoint.

    TimeSformer and ViViT are read at their class token. VideoMAE has none: its patches are averaged, and a fine-tuned
    checkpoint's norm follows, as before its classifier.

    Args:
        name: Hub id or local folder, for example `MCG-NJU/videomae-base-finetuned-kinetics`.
        window_seconds: Time that a clip covers; what the authors sampled if None, see `ARCHITECTURES`. Longer video
            is cut into such windows and averaged, so that a longer window costs less and sees coarser.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        batch_clips: Clips per batch.

    Raises:
        ModelError: If the checkpoint is of another family.
    """
    checkpoint = resolve(name, revision=revision)
    kind = model_type(checkpoint)
    if kind not in ARCHITECTURES:
        msg = f"{name} is a {kind!r} model; the family 'video' loads {', '.join(ARCHITECTURES)}"
        raise ModelError(msg)
    architecture = ARCHITECTURES[kind]
    class_name, unused = architecture.class_name, architecture.unused
    normed = kind == "videomae" and bool(checkpoint.json("config.json").get("use_mean_pooling", True))
    fine_tuned = str((checkpoint.json("config.json").get("architectures") or [""])[0]).endswith("Classification")
    if normed and fine_tuned:
        class_name, unused = "VideoMAEForVideoClassification", ("classifier.",)

    def features(model: Any, batch: Mapping[str, Any]) -> Any:
        if class_name == "VideoMAEForVideoClassification":
            return model.fc_norm(model.videomae(**batch).last_hidden_state.mean(dim=1))
        states = model(**batch).last_hidden_state
        return states[:, 0] if architecture.pooling == "cls" else states.mean(dim=1)

    encoder = VideoClips(
        Backbone(checkpoint, class_name, extra="video-models", device=device, dtype=dtype, unused=unused),
        dimension=lambda config: int(config.hidden_size),
        frames=lambda config: int(config.num_frames),
        features=features,
        window_seconds=architecture.window_seconds if window_seconds is None else window_seconds,
        batch_clips=batch_clips,
        what={"pooling": architecture.pooling},
    )
    return {"video": encoder}


FAMILY = Family(
    scheme="video",
    build=build,
    modalities=("video",),
    extra="video-models",
    summary="video transformers: VideoMAE, TimeSformer, ViViT, over clips sampled by time",
    examples=("MCG-NJU/videomae-base", "facebook/timesformer-base-finetuned-k400", "google/vivit-b-16x2-kinetics400"),
    dimensions=(768, 768, 768),
    license="by model; VideoMAE and TimeSformer are CC-BY-NC",
    rules=(Rule(has_model_type(*ARCHITECTURES)),),
)
