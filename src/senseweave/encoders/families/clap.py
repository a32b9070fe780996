"""CLAP, unfused and fused: sound and text in one space, the same vector every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.detection import Rule, has_model_type
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, class_for, feature_extractor
from senseweave.encoders.parts.saved_settings import read_prompts, with_settings
from senseweave.encoders.parts.towers import BATCH_TOKENS, TowerText, projected
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.encoders.runtime.networks import choose_ways
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.extras import require
from senseweave.media import Modality, Waveform

CLASSES = {"clap": "ClapModel"}
TEXT_LENGTH = 77
"""Tokens that the authors' own text tokenizer keeps (LAION-AI/CLAP, src/laion_clap/hook.py)."""
BATCH_WINDOWS = 4
"""Windows per batch; more gain nothing on a CPU."""


class ClapAudio(Encoder):
    """Sound through CLAP's audio tower, in windows of the length that it was trained on (10 s).

    What transformers' feature extractor leaves to chance is fixed: longer sound is windowed rather than cropped at
    random, and no item of a batch is picked at random to count as longer than a window. Shorter sound is repeated and
    then padded, as the authors do (`repeatpad`; Wu et al. 2022, arXiv 2211.06687, section 3.2).
    """

    modality: ClassVar[Modality] = "audio"
    batch_budget: int

    def __init__(self, backbone: Backbone, *, batch_windows: int = BATCH_WINDOWS) -> None:
        """Describe the audio side of a model."""
        self.backbone = backbone
        self.batch_budget = batch_windows
        self._extractor: Lazy[Any] = Lazy(lambda: feature_extractor(backbone.checkpoint, backbone.extra))
        self.parts = (self._extractor, backbone)

    @property
    def dimension(self) -> int:
        """The length of the projection that both towers share."""
        return int(self.backbone.config.projection_dim)

    @property
    def decode_options(self) -> Mapping[str, object]:
        """The sampling rate that the model was trained on, 48 kHz."""
        return {"sampling_rate": self._extractor().sampling_rate}

    @property
    def window_seconds(self) -> float:
        """The window that the model was trained on, in seconds."""
        extractor = self._extractor()
        return float(extractor.nb_max_samples / extractor.sampling_rate)

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Compute log-mel spectrograms, shape (channels, frames, mel bands): 1 channel, or 4 equal if fused."""
        return [Prepared(self._mel_spectrogram(sound.samples)) for sound in items]

    def load(self) -> None:
        """Load the model, and find out how its audio tower computes fastest."""
        super().load()
        self._choose_ways()

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the projected vectors in float32."""
        self._choose_ways()
        return Encoded(self._compute(batch))

    def _choose_ways(self) -> None:
        def sample() -> list[Prepared]:
            noise = np.random.default_rng(0).normal(0, 0.1, self._extractor().nb_max_samples)
            return [Prepared(self._mel_spectrogram(noise))]

        choose_ways(self.backbone.checkpoint.name, self.backbone(), sample, self._compute, part="audio")

    def _compute(self, batch: Sequence[Prepared]) -> np.ndarray:
        torch = require("torch", extra=self.backbone.extra)
        features = torch.from_numpy(np.stack([item.data for item in batch]))
        # Every item is one window, so none is "longer": the fusion of a global with local views is never entered.
        longer = torch.zeros((len(batch), 1), dtype=torch.bool)
        with self.backbone.inference():
            vectors = projected("get_audio_features")(
                self.backbone(),
                {"input_features": self.backbone.to_device(features), "is_longer": self.backbone.to_device(longer)},
            )
        found: np.ndarray = vectors.float().cpu().numpy()
        return found

    def identity(self) -> Mapping[str, object]:
        """Return the identity of the model; its own files decide windows and padding."""
        return {"tower": "audio", "model": self.backbone.identity(), "is_longer": False}

    def _mel_spectrogram(self, samples: np.ndarray) -> np.ndarray:
        audio_utils = require("transformers.audio_utils", extra=self.backbone.extra)
        extractor = self._extractor()
        fused = extractor.truncation == "fusion"
        spectrogram = audio_utils.spectrogram(
            filled(samples, extractor.nb_max_samples, extractor.padding),
            audio_utils.window_function(extractor.fft_window_size, "hann"),
            frame_length=extractor.fft_window_size,
            hop_length=extractor.hop_length,
            power=2.0,
            mel_filters=extractor.mel_filters if fused else extractor.mel_filters_slaney,
            log_mel="dB",
        ).T.astype(np.float32)
        return np.stack([spectrogram] * 4) if fused else spectrogram[None]


def filled(samples: np.ndarray, length: int, padding: str) -> np.ndarray:
    """Repeat, pad or cut sound to `length` samples as CLAP's feature extractor does, without its random crop.

    Args:
        samples: Shape (n,); the engine's windows are no longer than `length`, but for a sample of rounding.
        length: Samples of a window.
        padding: `repeatpad` (whole repetitions, then zeros), `repeat` (repetitions, cut) or `pad` (zeros).

    Returns:
        Shape (length,), float64.
    """
    if padding == "repeat":
        samples = np.tile(samples, length // len(samples) + 1)
    elif padding == "repeatpad":
        samples = np.tile(samples, max(1, length // len(samples)))
    samples = samples[:length].astype(np.float64)
    return np.pad(samples, (0, length - len(samples)))


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    max_length: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    batch_windows: int = BATCH_WINDOWS,
) -> dict[Modality, Encoder]:
    """Build the text and audio encoders of a CLAP checkpoint, over one model in memory.

    Args:
        name: Hub id or local folder, for example `laion/clap-htsat-unfused`.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        max_length: Tokens of a text that are read; 77, as the authors do, if the model can take as many, if None.
        batch_tokens: Padded tokens per batch of texts.
        batch_windows: Windows of sound per batch.
    """
    checkpoint = resolve(name, revision=revision)
    backbone = Backbone(
        checkpoint, class_for(checkpoint, CLASSES, "clap"), extra="audio-models", device=device, dtype=dtype
    )
    encoders: dict[Modality, Encoder] = {
        "text": TowerText(
            backbone,
            dimension=lambda config: int(config.projection_dim),
            features=projected("get_text_features"),
            # RoBERTa numbers positions from padding_idx + 1, and so loses two of them.
            longest=lambda config: int(config.text_config.max_position_embeddings) - 2,
            max_length=max_length,
            usual_length=TEXT_LENGTH,
            batch_tokens=batch_tokens,
            prompts=read_prompts(checkpoint),
            scale="logit_scale_a",
        ),
        "audio": ClapAudio(backbone, batch_windows=batch_windows),
    }
    return with_settings(encoders, checkpoint)


FAMILY = Family(
    scheme="clap",
    build=build,
    modalities=("text", "audio"),
    extra="audio-models",
    summary="CLAP, unfused and fused: sound and text, in windows of 10 s, the same vector every time",
    examples=("laion/clap-htsat-unfused", "laion/larger_clap_general"),
    dimensions=(512, 512),
    license="Apache-2.0",
    rules=(Rule(has_model_type(*CLASSES)),),
)
