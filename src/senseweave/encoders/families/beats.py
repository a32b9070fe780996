"""Sound events: BEATs, from a checkpoint of the authors, pretrained or fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.family import Family
from senseweave.encoders.parts.gated_transformer import Settings, build_network, encode_patches
from senseweave.encoders.runtime.checkpoint import hash_file
from senseweave.encoders.runtime.torch_runtime import Lazy, pick_device, pick_dtype, to_device
from senseweave.encoders.runtime.weight_files import fill, find_weights, read_checkpoint
from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require
from senseweave.media import Modality, Waveform

EXTRA = "audio-models"
SAMPLING_RATE = 16_000
FRAME, HOP, BANDS = 400, 160, 128
"""Samples per frame and between frames, and mel bands (Chen et al. 2022, arXiv 2212.09058, section 4.2)."""
LOUDEST = 2**15
"""Samples are scaled to 16 bits before Kaldi's filter banks (unilm/beats/BEATs.py, `preprocess`)."""
MEAN, DEVIATION = 15.41663, 6.55582
"""Of the filter banks of AudioSet; values are divided by twice the deviation (the same)."""
WINDOW_SECONDS = 10.0
"""The clips of AudioSet, on which the model was trained (section 4.1)."""
BATCH_SECONDS = 40.0
SETTINGS = "cfg"
UNUSED = ("predictor.", "predictor_dropout.")
NEEDED = (
    "patch_embedding.weight",
    "layer_norm.weight",
    "encoder.layer_norm.weight",
    "encoder.layers.0.self_attn.q_proj.weight",
    "encoder.layers.0.fc1.weight",
)


class Beats(Encoder):
    """Windows of sound through BEATs, and the mean of its patches, which is what goes into a fine-tuned classifier.

    Kaldi filter banks are cut into patches of 16 frames and 16 bands; these go through a convolution that tells their
    place, and transformer layers with gated relative positions (Chen et al. 2022, arXiv 2212.09058). As there, frames
    at the end that fill no patch are not read. Only equal numbers of patches share a batch.
    """

    modality: ClassVar[Modality] = "audio"
    window_seconds: float
    decode_options: Mapping[str, object]
    batch_budget: int

    def __init__(
        self,
        weights: Path,
        *,
        window_seconds: float = WINDOW_SECONDS,
        batch_seconds: float = BATCH_SECONDS,
        device: str | None = None,
        dtype: str | None = None,
    ) -> None:
        """Describe the encoder; its weights are read when it is first used."""
        self.weights = weights
        self.window_seconds = window_seconds
        self.decode_options = {"sampling_rate": SAMPLING_RATE}
        self.batch_budget = round(batch_seconds * SAMPLING_RATE)
        self._device, self._dtype = device, dtype
        self._checkpoint: Lazy[tuple[dict[str, Any], Settings]] = Lazy(self._read)
        self._model: Lazy[Any] = Lazy(self._load)
        self.parts = (self._checkpoint, self._model)

    @property
    def dimension(self) -> int:
        """The width of the transformer, 768."""
        return int(self._checkpoint()[0]["encoder.layer_norm.weight"].shape[0])

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Compute scaled filter banks, shape (frames, 128); a sound shorter than a patch is padded with silence."""
        torch = require("torch", extra=EXTRA)
        kaldi = require("torchaudio.compliance.kaldi", extra=EXTRA, feature="the filter banks of BEATs")
        height = int(self._checkpoint()[0]["patch_embedding.weight"].shape[2])
        least = (height - 1) * HOP + FRAME
        prepared = []
        for sound in items:
            samples = np.pad(sound.samples.astype(np.float32), (0, max(0, least - len(sound.samples))))
            banks = kaldi.fbank(
                torch.from_numpy(samples * np.float32(LOUDEST))[None],
                num_mel_bins=BANDS,
                sample_frequency=SAMPLING_RATE,
                frame_length=1000 * FRAME / SAMPLING_RATE,
                frame_shift=1000 * HOP / SAMPLING_RATE,
            )
            patches = len(banks) // height
            scaled = (banks[: patches * height] - MEAN) / (2 * DEVIATION)
            prepared.append(Prepared(scaled.numpy(), cost=len(samples), bucket=patches))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of windows of one length."""
        torch = require("torch", extra=EXTRA)
        network, settings = self._model(), self._checkpoint()[1]
        parameter = next(network.parameters())
        with torch.inference_mode():
            banks = to_device(
                torch.from_numpy(np.stack([item.data for item in batch])), parameter.device, parameter.dtype
            )
            states = encode_patches(network, banks, settings)
            return Encoded(states.float().mean(dim=1).cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Return weights, window and number type."""
        return {
            "family": "beats",
            "sha256": hash_file(self.weights),
            "window_seconds": self.window_seconds,
            "dtype": self._dtype or "float32",
        }

    def _read(self) -> tuple[dict[str, Any], Settings]:
        tensors, said = read_checkpoint(self.weights, SETTINGS, extra=EXTRA)
        missing = [name for name in NEEDED if name not in tensors]
        if missing:
            msg = f"{self.weights.name} is no checkpoint of BEATs, or incomplete: it lacks {', '.join(missing)}"
            raise WeightsError(msg)
        if not said:
            msg = (
                f"{self.weights.name} holds tensors of BEATs without their settings; expected the authors' file, "
                "with both 'cfg' and 'model' (in safetensors, 'cfg' as JSON in the metadata)"
            )
            raise ModelError(msg)
        return tensors, Settings.read(said, tensors, self.weights.name)

    def _load(self) -> Any:
        tensors, settings = self._checkpoint()
        network = build_network(tensors, settings)
        fill(network, settings.rename(tensors), self.weights.name, unused=UNUSED)
        return network.to(pick_device(self._device, extra=EXTRA), pick_dtype(self._dtype, extra=EXTRA))


def build(
    name: str,
    *,
    window_seconds: float = WINDOW_SECONDS,
    batch_seconds: float = BATCH_SECONDS,
    device: str | None = None,
    dtype: str | None = None,
) -> dict[Modality, Encoder]:
    """Build the encoder of a BEATs checkpoint.

    Args:
        name: Path of a checkpoint file of the authors, pretrained or fine-tuned, with `cfg` and `model`.
        window_seconds: Longer sound is cut into windows of this length, and these averaged.
        batch_seconds: Seconds of sound per batch.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.

    Raises:
        ModelError: If there is no such file.
    """
    weights = find_weights("beats", name, "BEATs_iter3.pt")
    encoder = Beats(weights, window_seconds=window_seconds, batch_seconds=batch_seconds, device=device, dtype=dtype)
    return {"audio": encoder}


FAMILY = Family(
    scheme="beats",
    build=build,
    modalities=("audio",),
    extra=EXTRA,
    summary="sound events: BEATs, the mean of its patches, with a local weight file",
    examples=("beats:path/to/BEATs_iter3_plus_AS2M.pt",),
    dimensions=(768,),
    license="MIT code and weights, trained on AudioSet",
    folders=False,
    files=True,
)
