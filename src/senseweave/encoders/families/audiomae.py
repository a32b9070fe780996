"""AudioMAE's encoder, or any timm vision transformer that reads spectrograms."""

from __future__ import annotations

from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.families.timm import TimmModel, locate
from senseweave.encoders.family import Family
from senseweave.encoders.parts.spectrogram import BATCH_WINDOWS, SpectrogramEncoder
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Modality


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    batch_windows: int = BATCH_WINDOWS,
) -> dict[Modality, Encoder]:
    """Build the audio encoder of a timm checkpoint with one input channel.

    The vector is timm's pooled output, for AudioMAE the mean of the patches (Huang et al. 2022, arXiv 2207.06405;
    model card of gaunernst/vit_base_patch16_1024_128.audiomae_as2m).

    Args:
        name: Hub id, local folder, or `architecture//path/to/checkpoint`, as for the family `timm`.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        batch_windows: Windows of sound per batch.
    """
    model = TimmModel(locate(name, revision=revision), device=device, dtype=dtype, extra="audio-models")

    def extractor() -> Any:
        channels, frames, bands = model.input_size
        if channels != 1:
            msg = f"{name} reads images of {channels} channels, not spectrograms of 1 channel"
            raise ModelError(msg)
        require("torchaudio.compliance.kaldi", extra="audio-models", feature="the filter banks of AudioMAE")
        transformers = require("transformers", extra="audio-models")
        # AudioSet's mean and deviation are the defaults of AST's front end, which AudioMAE shares (section 4.1).
        return transformers.ASTFeatureExtractor(num_mel_bins=bands, max_length=frames)

    return {
        "audio": SpectrogramEncoder(
            extractor=extractor,
            features=lambda banks: model.features(banks.unsqueeze(1)),
            dimension=lambda: model.dimension,
            identity=lambda: {"family": "audiomae", "model": model.identity()},
            model=model,
            batch_windows=batch_windows,
        )
    }


FAMILY = Family(
    scheme="audiomae",
    build=build,
    modalities=("audio",),
    extra="audio-models",
    summary="AudioMAE's encoder, and other timm vision transformers over spectrograms",
    examples=("audiomae:gaunernst/vit_base_patch16_1024_128.audiomae_as2m",),
    dimensions=(768,),
    license="by model; AudioMAE is CC-BY-NC",
)
