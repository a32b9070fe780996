"""AST: sound through the Audio Spectrogram Transformer."""

from __future__ import annotations

from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.detection import Rule, has_model_type
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, class_for, feature_extractor
from senseweave.encoders.parts.spectrogram import BATCH_WINDOWS, SpectrogramEncoder
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.extras import require
from senseweave.media import Modality

CLASSES = {"audio-spectrogram-transformer": "ASTModel"}


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    batch_windows: int = BATCH_WINDOWS,
) -> dict[Modality, Encoder]:
    """Build the audio encoder of an AST checkpoint such as `MIT/ast-finetuned-audioset-10-10-0.4593`.

    The vector is the model's pooled output: the mean of the normalized class and distillation tokens (Gong et al. 2021,
    arXiv 2104.01778, section 2.1; YuanGongND/ast, src/models/ast_models.py).
    """
    checkpoint = resolve(name, revision=revision)
    backbone = Backbone(
        checkpoint,
        class_for(checkpoint, CLASSES, "ast"),
        extra="audio-models",
        device=device,
        dtype=dtype,
    )

    def extractor() -> Any:
        # transformers would fall back to a front end of its own that differs in the last digits
        require("torchaudio.compliance.kaldi", extra="audio-models", feature="the filter banks of AST")
        return feature_extractor(checkpoint, "audio-models")

    return {
        "audio": SpectrogramEncoder(
            extractor=extractor,
            features=lambda banks: backbone()(backbone.to_device(banks)).pooler_output,
            dimension=lambda: int(backbone.config.hidden_size),
            identity=lambda: {"family": "ast", "model": backbone.identity()},
            model=backbone,
            batch_windows=batch_windows,
        )
    }


FAMILY = Family(
    scheme="ast",
    build=build,
    modalities=("audio",),
    extra="audio-models",
    summary="Audio Spectrogram Transformer: sounds of any kind, in windows of 10 s",
    examples=("MIT/ast-finetuned-audioset-10-10-0.4593",),
    dimensions=(768,),
    license="BSD-3-Clause",
    rules=(Rule(has_model_type(*CLASSES)),),
)
