"""Who speaks: x-vectors of the speech models of transformers that have a head for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from senseweave.encoders.base import Encoder, Prepared
from senseweave.encoders.detection import BY_HEAD, Rule, has_architecture
from senseweave.encoders.families.speech import BATCH_SECONDS, WAVEFORM_WINDOW, WaveformEncoder, receptive_field
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, class_for
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.extras import require
from senseweave.media import Modality

EXTRA = "audio-models"
CLASSES = {
    "wavlm": "WavLMForXVector",
    "wav2vec2": "Wav2Vec2ForXVector",
    "wav2vec2-conformer": "Wav2Vec2ConformerForXVector",
    "unispeech-sat": "UniSpeechSatForXVector",
    "data2vec-audio": "Data2VecAudioForXVector",
}


class XVector(WaveformEncoder):
    """Recordings to x-vectors, by a speech model with a head that was trained to tell speakers apart.

    A time-delay network reads the weighted mean of the model's layers; mean and standard deviation over time go through
    a linear layer (Snyder et al. 2018, "X-vectors"; the `...ForXVector` classes of transformers).
    """

    @property
    def dimension(self) -> int:
        """The width of the head."""
        return int(self.backbone.config.xvector_output_dim)

    @property
    def least_samples(self) -> int:
        """The fewest samples for which the head sees two frames, whose deviation it takes."""
        config = self.backbone.config
        seen = sum((kernel - 1) * gap for kernel, gap in zip(config.tdnn_kernel, config.tdnn_dilation, strict=True))
        step = int(np.prod(config.conv_stride))
        return receptive_field(config.conv_kernel, config.conv_stride) + (int(seen) + 1) * step

    def compute(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Compute the vectors of windows of one length, in float32."""
        torch = require("torch", extra=EXTRA)
        inputs = self.backbone.to_device(torch.from_numpy(np.stack([item.data for item in batch])))
        with self.backbone.inference():
            vectors: np.ndarray = self.backbone()(inputs).embeddings.float().cpu().numpy()
        return vectors

    def identity(self) -> Mapping[str, object]:
        """Return model and window."""
        return {"family": "xvector", "model": self.backbone.identity(), "window_seconds": self.window_seconds}


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    window_seconds: float = WAVEFORM_WINDOW,
    batch_seconds: float = BATCH_SECONDS,
) -> dict[Modality, Encoder]:
    """Build the encoder of a speech model with an x-vector head.

    Args:
        name: Hub id or local folder, for example `microsoft/wavlm-base-plus-sv`.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        window_seconds: Longer sound is cut into windows of this length, and these averaged.
        batch_seconds: Seconds of sound per batch.
    """
    checkpoint = resolve(name, revision=revision)
    backbone = Backbone(
        checkpoint,
        class_for(checkpoint, CLASSES, "xvector"),
        extra=EXTRA,
        device=device,
        dtype=dtype,
        unused=("objective.", *(f"{kind}.masked_spec_embed" for kind in ("wavlm", "wav2vec2", "unispeech_sat"))),
    )
    return {"audio": XVector(backbone, window_seconds=window_seconds, batch_seconds=batch_seconds)}


FAMILY = Family(
    scheme="xvector",
    build=build,
    modalities=("audio",),
    extra=EXTRA,
    summary="who speaks: x-vectors of WavLM, wav2vec 2.0 and kin, through the head that tells speakers apart",
    examples=("microsoft/wavlm-base-plus-sv", "anton-l/wav2vec2-base-superb-sv"),
    dimensions=(512, 512),
    license="by model; MIT for WavLM",
    rules=(Rule(has_architecture("ForXVector"), BY_HEAD),),
)
