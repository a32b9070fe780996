"""Text, sound and video in one space: Perception Encoder Audiovisual (PE-AV) and its parts for sound or video alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.detection import Rule, has_model_type
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, class_for, feature_extractor, video_processor
from senseweave.encoders.parts.towers import BATCH_TOKENS, TowerText
from senseweave.encoders.runtime.checkpoint import Checkpoint, resolve
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Clip, Modality, Waveform

Partner = Literal["audio", "video"]
"""What a text is compared with; the model has a head for each."""
EXTRA = "video-models"
CLASSES = {"pe_audio_video": "PeAudioVideoModel", "pe_audio": "PeAudioModel", "pe_video": "PeVideoModel"}
FRAME_LEVEL = "PeAudioFrameLevelModel"
FRAMES = 16
"""Frames of a clip where the checkpoint names no number: those of the variants `-16-frame` (Vyas et al. 2025, arXiv
2512.19687). The others were trained on all frames of a video, and see more in more."""
WINDOW_SECONDS = 10.0
"""Sound and video that are longer are cut into windows of this length, as for CLAP."""
BATCH_SECONDS = 40.0
BATCH_CLIPS = 2
JOINT = (
    "audio_video_encoder.", "audio_video_head.", "text_audio_video_head.", "audio_plus_text", "video_plus_text",
    "audio_video_logit", "text_audio_video_logit",
)  # fmt: skip
"""Parameters of pairs of modalities, which have no place in a vector of either alone."""
TIED_PLACES, ALL_PLACES = r"\.rope\.pos_embed", r"\.rope\."


class PeBackbone(Backbone):
    """A PE model, or its part for sound or video."""

    def side(self, partner: Partner) -> Any:
        """Return the part that holds the encoder of a modality and the head of the texts that are compared with it."""
        model = self()
        return getattr(model, f"{partner}_model", model)

    def _load(self) -> Any:
        """Load the model, and keep transformers from printing what its own docstrings lack (PeVideoModel, 5.23)."""
        documenting = vars(require("transformers.utils.auto_docstring", extra=EXTRA))
        documenting["print"] = lambda *lines: None
        try:
            return super()._load()
        finally:
            documenting.pop("print", None)

    def _model_class(self) -> Any:
        """Return the class of transformers, mended where it ties what are no parameters.

        transformers 5.23 ties all of a vision tower but `rope.pos_embed`; towers of timm 1.0.31 hold the buffer
        `rope.bands` instead, and then no checkpoint loads.
        """
        found = super()._model_class()
        tied = getattr(found, "_tied_weights_keys", None)
        if not isinstance(tied, Mapping):
            return found
        mended = {key.replace(TIED_PLACES, ALL_PLACES): of.replace(TIED_PLACES, ALL_PLACES) for key, of in tied.items()}
        return type(found.__name__, (found,), {"_tied_weights_keys": mended, "__module__": found.__module__})


class PeText(TowerText):
    """Texts through the head for what they are compared with.

    The model's own scores are dot products of vectors that are not normalized, so that no scale of cosines is known.
    """

    def __init__(
        self, backbone: PeBackbone, partner: Partner, *, max_length: int | None = None, batch_tokens: int = BATCH_TOKENS
    ) -> None:
        """Describe the text side."""
        self.partner = partner

        def features(model: Any, batch: Mapping[str, Any]) -> Any:
            read = {name: batch[name] for name in ("input_ids", "attention_mask")}
            states = model.text_model(**read, output_hidden_states=True).hidden_states[-1]
            return getattr(backbone.side(partner), f"text_{partner}_head")(states[:, 0])

        super().__init__(
            backbone,
            dimension=_dimension,
            features=features,
            longest=lambda config: int(config.text_config.max_position_embeddings),
            max_length=max_length,
            batch_tokens=batch_tokens,
        )

    def identity(self) -> Mapping[str, object]:
        """Return the identity of a tower, and the head."""
        return {**super().identity(), "partner": self.partner}


class PeAudio(Encoder):
    """Sound of 48 kHz through the audio encoder; only equal lengths share a batch."""

    modality: ClassVar[Modality] = "audio"
    window_seconds: float

    def __init__(
        self, backbone: PeBackbone, *, window_seconds: float = WINDOW_SECONDS, batch_seconds: float = BATCH_SECONDS
    ) -> None:
        """Describe the audio side."""
        self.backbone = backbone
        self.window_seconds = window_seconds
        self._batch_seconds = batch_seconds
        self._extractor: Lazy[Any] = Lazy(lambda: feature_extractor(backbone.checkpoint, backbone.extra))
        self.parts = (self._extractor, backbone)

    @property
    def dimension(self) -> int:
        """The length of the vectors."""
        return _dimension(self.backbone.config)

    @property
    def decode_options(self) -> Mapping[str, object]:
        """The sampling rate of the checkpoint."""
        return {"sampling_rate": self._extractor().sampling_rate}

    @property
    def batch_budget(self) -> int:
        """The number of samples in a batch."""
        return round(self._batch_seconds * float(self._extractor().sampling_rate))

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Extend sound to whole frames by its reflection, as the model's feature extractor does, shape (1, samples)."""
        extractor = self._extractor()
        prepared = []
        for sound in items:
            samples = np.ascontiguousarray(sound.samples, np.float32)
            values = extractor([samples], sampling_rate=sound.sampling_rate, return_tensors="np")["input_values"]
            length = int(values.shape[-1])
            prepared.append(Prepared(np.asarray(values[0], np.float32), cost=length, bucket=length))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of sounds of one length, in float32."""
        torch = require("torch", extra=EXTRA)
        values = self.backbone.to_device(torch.from_numpy(np.stack([item.data for item in batch])))
        with self.backbone.inference():
            side = self.backbone.side("audio")
            return Encoded(side.audio_head(side.audio_encoder(values).pooler_output).float().cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Return model and window."""
        return {"tower": "audio", "model": self.backbone.identity(), "window_seconds": self.window_seconds}


class PeVideo(Encoder):
    """Clips of a fixed number of frames through the video encoder; their sound is not heard."""

    modality: ClassVar[Modality] = "video"
    window_seconds: float
    batch_budget: int

    def __init__(
        self,
        backbone: PeBackbone,
        *,
        frames: int | None = None,
        window_seconds: float = WINDOW_SECONDS,
        batch_clips: int = BATCH_CLIPS,
    ) -> None:
        """Describe the video side."""
        self.backbone = backbone
        self.window_seconds = window_seconds
        self.batch_budget = batch_clips
        self._frames = frames
        self._processor: Lazy[Any] = Lazy(lambda: video_processor(backbone.checkpoint, backbone.extra))
        self.parts = (self._processor, backbone)

    @property
    def dimension(self) -> int:
        """The length of the vectors."""
        return _dimension(self.backbone.config)

    @property
    def decode_options(self) -> Mapping[str, object]:
        """The number of frames of a clip."""
        return {"frames": self._frames or getattr(self._processor(), "num_frames", None) or FRAMES}

    def prepare(self, items: Sequence[Clip], role: Role) -> list[Prepared]:
        """Resize and scale frames by the model's own processor, shape (frames, 3, height, width)."""
        torch = require("torch", extra=EXTRA)
        processor = self._processor()
        prepared = []
        for clip in items:
            frames = torch.from_numpy(clip.frames.copy()).permute(0, 3, 1, 2)
            pixels = processor([frames], return_tensors="pt", do_sample_frames=False)["pixel_values_videos"][0]
            prepared.append(Prepared(pixels.float().numpy()))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of clips, in float32."""
        torch = require("torch", extra=EXTRA)
        pixels = self.backbone.to_device(torch.from_numpy(np.stack([item.data for item in batch])))
        with self.backbone.inference():
            side = self.backbone.side("video")
            return Encoded(side.video_head(side.video_encoder(pixels).pooler_output).float().cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Return model, frames and window."""
        return {
            "tower": "video",
            "model": self.backbone.identity(),
            **self.decode_options,
            "window_seconds": self.window_seconds,
        }


def build(
    name: str,
    *,
    text_partner: Partner | None = None,
    frames: int | None = None,
    window_seconds: float = WINDOW_SECONDS,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    max_length: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    batch_seconds: float = BATCH_SECONDS,
    batch_clips: int = BATCH_CLIPS,
) -> dict[Modality, Encoder]:
    """Build the encoders of a PE-AV checkpoint, over one model in memory.

    Sound and video are compared with each other directly. A text goes through a head for what it is compared with
    (Vyas et al. 2025, arXiv 2512.19687), and so has one vector for each; a space gives one of them.

    Args:
        name: Hub id or local folder, for example `facebook/pe-av-small`.
        text_partner: `video` or `audio`: what texts are compared with; video where the model sees, if None.
        frames: Frames of a clip; what the checkpoint names, or 16, if None. Only the variants `-16-frame` want so few.
        window_seconds: Longer sound and video are cut into windows of this length, and these averaged.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        max_length: Tokens of a text that are read; what the text encoder takes if None.
        batch_tokens: Padded tokens per batch of texts.
        batch_seconds: Seconds of sound per batch.
        batch_clips: Clips per batch.

    Raises:
        ModelError: If the checkpoint is of another family, or gives a vector for each frame of sound.
        ValueError: If it has no head for `text_partner`.
    """
    checkpoint = resolve(name, revision=revision)
    class_name = class_for(checkpoint, CLASSES, "pe_av")
    _check_pooled(checkpoint)
    partners: tuple[Partner, ...] = tuple(kind for kind in get_args(Partner) if kind in class_name.lower())
    partner = text_partner or partners[-1]
    if partner not in partners:
        msg = f"text_partner must be one of {', '.join(partners)} for {name}, not {text_partner!r}"
        raise ValueError(msg)
    backbone = PeBackbone(checkpoint, class_name, extra=EXTRA, device=device, dtype=dtype, unused=JOINT)
    makers: dict[Partner, Callable[[], Encoder]] = {
        "audio": lambda: PeAudio(backbone, window_seconds=window_seconds, batch_seconds=batch_seconds),
        "video": lambda: PeVideo(backbone, frames=frames, window_seconds=window_seconds, batch_clips=batch_clips),
    }
    text = PeText(backbone, partner, max_length=max_length, batch_tokens=batch_tokens)
    return {"text": text, **{kind: makers[kind]() for kind in partners}}


def _check_pooled(checkpoint: Checkpoint) -> None:
    if FRAME_LEVEL in (checkpoint.json("config.json").get("architectures") or ()):
        msg = (
            f"{checkpoint.name} gives a vector for each frame of sound ({FRAME_LEVEL}), to find where a text is heard; "
            "load a model that gives one for the whole, such as facebook/pe-av-small"
        )
        raise ModelError(msg)


def _dimension(config: Any) -> int:
    return int(config.text_config.hidden_size)


FAMILY = Family(
    scheme="pe_av",
    build=build,
    modalities=("text", "audio", "video"),
    extra=EXTRA,
    summary="text, sound and video in one space: Perception Encoder Audiovisual, and its parts for sound or video",
    examples=("facebook/pe-av-small", "facebook/pe-av-large"),
    dimensions=(None, None),
    license="Apache-2.0",
    rules=(Rule(has_model_type(*CLASSES)),),
)
