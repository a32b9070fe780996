"""Transformers over mel spectrograms: what AST and AudioMAE share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable
from senseweave.extras import require
from senseweave.media import Modality, Waveform

BATCH_WINDOWS = 4
FRAME, SHIFT = 400, 160
"""Samples per frame and between frames at 16 kHz: Kaldi's 25 and 10 ms (Gong et al. 2021, arXiv 2104.01778)."""


class SpectrogramEncoder(Encoder):
    """Kaldi filter banks of a fixed number of frames, zero-padded, through a vision transformer."""

    modality: ClassVar[Modality] = "audio"
    batch_budget: int

    def __init__(
        self,
        *,
        extractor: Callable[[], Any],
        features: Callable[[Any], Any],
        dimension: Callable[[], int],
        identity: Callable[[], Mapping[str, object]],
        model: Loadable,
        batch_windows: int = BATCH_WINDOWS,
    ) -> None:
        """Describe the encoder.

        Args:
            extractor: Gives the `ASTFeatureExtractor` that says rate, frames, bands, mean and standard deviation.
            features: Takes filter banks, a torch tensor of shape (n, frames, bands); gives vectors, (n, dimension).
            dimension: Gives the vectors' length.
            identity: What makes them what they are.
            model: What `features` runs, to be loaded and freed.
            batch_windows: Windows per batch.
        """
        self.batch_budget = batch_windows
        self._extractor = Lazy(extractor)
        self._features = features
        self._dimension = dimension
        self._identity = identity
        self.parts = (self._extractor, model)

    @property
    def dimension(self) -> int:
        """The transformer's width."""
        return self._dimension()

    @property
    def decode_options(self) -> Mapping[str, object]:
        """The sampling rate that the model was trained on."""
        return {"sampling_rate": self._extractor().sampling_rate}

    @property
    def window_seconds(self) -> float:
        """The seconds that the model's frames cover: 1024 frames are 10.24 s."""
        extractor = self._extractor()
        return float(extractor.max_length * SHIFT / extractor.sampling_rate)

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Compute filter banks, shape (frames, bands); a clip shorter than a frame is padded to a frame."""
        extractor = self._extractor()
        prepared = []
        for sound in items:
            samples = np.pad(sound.samples, (0, max(0, FRAME - len(sound.samples))))
            values = extractor(samples, sampling_rate=sound.sampling_rate, return_tensors="np")["input_values"]
            prepared.append(Prepared(np.asarray(values[0], dtype=np.float32)))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors in float32."""
        torch = require("torch", extra="audio-models")
        banks = torch.from_numpy(np.stack([clip.data for clip in batch]))
        with torch.inference_mode():
            return Encoded(self._features(banks).float().cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Return model and front end."""
        extractor = self._extractor()
        front = ("sampling_rate", "num_mel_bins", "max_length", "do_normalize", "mean", "std")
        return {**self._identity(), "front end": {name: getattr(extractor, name) for name in front}}
