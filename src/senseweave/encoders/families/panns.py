"""Sound events: PANNs' CNN14, trained on AudioSet's 527 kinds of sound, from a checkpoint of the authors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.family import Family
from senseweave.encoders.runtime.checkpoint import hash_file
from senseweave.encoders.runtime.torch_runtime import Lazy, pick_device, to_device
from senseweave.encoders.runtime.weight_files import fill, find_weights, read_tensors
from senseweave.errors import WeightsError
from senseweave.extras import require
from senseweave.media import Modality, Waveform

EXTRA = "audio-models"
WINDOW_SECONDS = 10.0
"""The clips of AudioSet, on which the network was trained (Kong et al. 2020, arXiv 1912.10211, section V)."""
RATE_PER_FFT = 32_000 / 1024
"""Hz for each sample of the Fourier transform: windows of 32 ms, 1,024 samples at 32 kHz and 512 at 16 kHz, in the
authors' models alike (section V; `Cnn14` and `Cnn14_16k`)."""
HOP_PER_FFT = 320 / 1024
BLOCKS = 6
LEAST_FRAMES = 2 ** (BLOCKS - 1)
"""Frames that the network halves five times."""
FLOOR = 1e-10
"""The smallest power (torchlibrosa's `LogmelFilterBank`, `amin`)."""
BATCH_SECONDS = 40.0
MEL = "logmel_extractor.melW"
WINDOW = "spectrogram_extractor.stft.conv_real.weight"
UNUSED = ("spectrogram_extractor.", "logmel_extractor.", "fc_audioset.")


class SoundEvents(Encoder):
    """Windows of sound through CNN14, up to what goes into its classifier: 2,048 numbers, none negative.

    Six blocks of two convolutions over a log-mel spectrogram; the mean over bands, then maximum plus mean over time,
    and a rectified linear layer (Kong et al. 2020, arXiv 1912.10211, table 2). Only equal lengths share a batch.
    """

    modality: ClassVar[Modality] = "audio"
    window_seconds: float

    def __init__(
        self,
        weights: Path,
        *,
        window_seconds: float = WINDOW_SECONDS,
        batch_seconds: float = BATCH_SECONDS,
        device: str | None = None,
    ) -> None:
        """Describe the encoder; its weights are read when it is first used."""
        self.weights = weights
        self.window_seconds = window_seconds
        self._batch_seconds = batch_seconds
        self._device = device
        self._tensors: Lazy[dict[str, Any]] = Lazy(self._read)
        self._model: Lazy[Any] = Lazy(self._load)
        self.parts = (self._tensors, self._model)

    @property
    def dimension(self) -> int:
        """The width of the last hidden layer, 2048."""
        return int(self._tensors()["fc1.weight"].shape[0])

    @property
    def decode_options(self) -> Mapping[str, object]:
        """The sampling rate of the checkpoint, 32 kHz but for the models of 16 and 8 kHz."""
        return {"sampling_rate": round(self._window * RATE_PER_FFT)}

    @property
    def batch_budget(self) -> int:
        """The number of samples in a batch."""
        return round(self._batch_seconds * self._window * RATE_PER_FFT)

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Compute log-mel spectrograms, shape (frames, bands); what is shorter than 0.3 s is padded with silence."""
        torch = require("torch", extra=EXTRA)
        tensors, window = self._tensors(), self._window
        hop = round(window * HOP_PER_FFT)
        prepared = []
        for sound in items:
            samples = np.pad(sound.samples, (0, max(0, (LEAST_FRAMES - 1) * hop - len(sound.samples))))
            spectrum = torch.stft(
                torch.from_numpy(np.ascontiguousarray(samples, np.float32)),
                window,
                hop,
                window=torch.hann_window(window),
                center=True,
                pad_mode="reflect",
                return_complex=True,
            )
            power = spectrum.abs().square().T @ tensors[MEL].float()
            bands = 10 * torch.log10(power.clamp(min=FLOOR))
            prepared.append(Prepared(bands.numpy(), cost=len(samples), bucket=len(bands)))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of windows of one length, in float32."""
        torch = require("torch", extra=EXTRA)
        network = self._model()
        device = next(network.parameters()).device
        with torch.inference_mode():
            bands = to_device(torch.from_numpy(np.stack([item.data for item in batch])), device)
            states = network["bn0"](bands.transpose(1, 2)[..., None]).permute(0, 3, 2, 1)
            for number in range(1, BLOCKS + 1):
                block = network[f"conv_block{number}"]
                for layer in ("1", "2"):
                    states = torch.relu(block[f"bn{layer}"](block[f"conv{layer}"](states)))
                if number < BLOCKS:
                    states = torch.nn.functional.avg_pool2d(states, 2)
            over_bands = states.mean(dim=3)
            pooled = over_bands.amax(dim=2) + over_bands.mean(dim=2)
            return Encoded(torch.relu(network["fc1"](pooled)).cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Return weights and window."""
        return {"family": "panns", "sha256": hash_file(self.weights), "window_seconds": self.window_seconds}

    @property
    def _window(self) -> int:
        """Samples of the Fourier transform."""
        return int(self._tensors()[WINDOW].shape[-1])

    def _read(self) -> dict[str, Any]:
        tensors = read_tensors(self.weights, extra=EXTRA)
        needed = (MEL, WINDOW, "bn0.weight", "fc1.weight", "conv_block6.conv1.weight")
        missing = [name for name in needed if name not in tensors]
        if missing:
            msg = f"{self.weights.name} is no checkpoint of CNN14, or incomplete: it lacks {', '.join(missing)}"
            raise WeightsError(msg)
        return tensors

    def _load(self) -> Any:
        tensors = self._tensors()
        nn = require("torch", extra=EXTRA).nn
        network = nn.ModuleDict({"bn0": nn.BatchNorm2d(len(tensors["bn0.weight"]))})
        channels = 1
        for number in range(1, BLOCKS + 1):
            first = tensors.get(f"conv_block{number}.conv1.weight")
            width = channels if first is None else len(first)  # a missing weight is named by `fill`
            network[f"conv_block{number}"] = nn.ModuleDict(
                {
                    "conv1": nn.Conv2d(channels, width, 3, padding=1, bias=False),
                    "bn1": nn.BatchNorm2d(width),
                    "conv2": nn.Conv2d(width, width, 3, padding=1, bias=False),
                    "bn2": nn.BatchNorm2d(width),
                }
            )
            channels = width
        network["fc1"] = nn.Linear(channels, len(tensors["fc1.weight"]))
        fill(network, tensors, self.weights.name, unused=UNUSED)
        return network.to(pick_device(self._device, extra=EXTRA))


def build(
    name: str,
    *,
    window_seconds: float = WINDOW_SECONDS,
    batch_seconds: float = BATCH_SECONDS,
    device: str | None = None,
) -> dict[Modality, Encoder]:
    """Build the encoder of a CNN14 checkpoint.

    Args:
        name: Path of a checkpoint file in the authors' layout, a pickle of tensors or safetensors.
        window_seconds: Longer sound is cut into windows of this length, and these averaged.
        batch_seconds: Seconds of sound per batch.
        device: torch device; the best there is if None.

    Raises:
        ModelError: If there is no such file.
    """
    weights = find_weights("panns", name, "Cnn14_mAP=0.431.pth")
    events = SoundEvents(weights, window_seconds=window_seconds, batch_seconds=batch_seconds, device=device)
    return {"audio": events}


FAMILY = Family(
    scheme="panns",
    build=build,
    modalities=("audio",),
    extra=EXTRA,
    summary="sound events: PANNs' CNN14 (32 and 16 kHz), with a local weight file",
    examples=("panns:path/to/Cnn14_mAP=0.431.pth",),
    dimensions=(2048,),
    license="MIT code; CC-BY-4.0 weights, trained on AudioSet",
    folders=False,
    files=True,
)
