"""Who speaks: the GE2E speaker encoder of Resemblyzer, from the weights in its package or from a file."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.family import Family
from senseweave.encoders.runtime.checkpoint import hash_file, verify_sha256
from senseweave.encoders.runtime.torch_runtime import Lazy, pick_device, to_device
from senseweave.encoders.runtime.weight_files import fill, read_tensors
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Modality, Waveform

EXTRA = "audio-models"
RESEMBLYZER_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
"""Checksum of `pretrained.pt` in the package Resemblyzer 0.1.4."""
SAMPLING_RATE = 16_000
FRAME, SHIFT, BANDS = 400, 160, 40
"""Samples per frame and between frames (25 and 10 ms), and mel bands (resemblyzer/hparams.py)."""
PARTIAL_FRAMES = 160
"""Frames of a partial utterance, 1.6 s (Wan et al. 2017, arXiv 1710.10467, section 3.2; resemblyzer/hparams.py)."""
PARTIALS_PER_SECOND = 1.3
LEAST_COVERAGE = 0.75
"""A last partial utterance is padded if it is covered so far, else left out (resemblyzer/voice_encoder.py)."""
HIDDEN, LAYERS, DIMENSION = 256, 3, 256
LOUDNESS = -30.0
"""dBFS to which quieter recordings are raised (resemblyzer/hparams.py)."""
WINDOW_SECONDS = 30.0
BATCH_PARTIALS = 64


class SpeakerEncoder(Encoder):
    """Recordings to vectors that are close for the same voice and far for different voices.

    A recording's vector is the mean of those of its partial utterances, each an LSTM's last state, projected, rectified
    and normalized (Wan et al. 2017, arXiv 1710.10467; resemblyzer/voice_encoder.py, embed_utterance). Resemblyzer also
    cuts silence out by voice activity detection first; here silence stays in, so that no second detector is needed.
    """

    modality: ClassVar[Modality] = "audio"
    window_seconds: float
    decode_options: Mapping[str, object]
    batch_budget = BATCH_PARTIALS

    def __init__(
        self,
        weights: Path,
        *,
        sha256: str | None = None,
        window_seconds: float = WINDOW_SECONDS,
        device: str | None = None,
    ) -> None:
        """Describe the encoder; its weights are checked and read when it is first used.

        Args:
            weights: `pretrained.pt`, or a file of the same tensors.
            sha256: Pinned checksum, checked before the file is read.
            window_seconds: Longer recordings are cut into windows of this length, and these averaged.
            device: torch device; the best there is if None.
        """
        self.weights = weights
        self.sha256 = sha256
        self.window_seconds = window_seconds
        self.decode_options = {"sampling_rate": SAMPLING_RATE}
        self._device = device
        self._model: Lazy[Any] = Lazy(self._load)
        self._filters: Lazy[np.ndarray] = Lazy(mel_filters)
        self.parts = (self._filters, self._model)

    @property
    def dimension(self) -> int:
        """The width of the projection, 256."""
        return DIMENSION

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Cut recordings into mel spectrograms of partial utterances, shape (partials, 160, 40)."""
        prepared = []
        for sound in items:
            samples = raised(sound.samples)
            starts = partial_starts(len(samples))
            stop = (starts[-1] + PARTIAL_FRAMES) * SHIFT
            samples = np.pad(samples, (0, max(0, stop - len(samples))))
            spectrogram = mel_spectrogram(samples, self._filters())
            partials = np.stack([spectrogram[start : start + PARTIAL_FRAMES] for start in starts])
            prepared.append(Prepared(partials, cost=len(partials)))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Run the partial utterances of all recordings together, and average those of each."""
        torch = require("torch", extra=EXTRA)
        model = self._model()
        device = next(model.parameters()).device
        with torch.inference_mode():
            partials = to_device(torch.from_numpy(np.concatenate([item.data for item in batch])), device)
            _, (hidden, _) = model["lstm"](partials)
            projected = torch.relu(model["linear"](hidden[-1]))
            units = (projected / projected.norm(dim=1, keepdim=True)).cpu().numpy()
        edges = np.cumsum([item.cost for item in batch])[:-1]
        return Encoded(np.stack([part.mean(axis=0) for part in np.split(units, edges)]))

    def identity(self) -> Mapping[str, object]:
        """Return weights and window."""
        return {
            "family": "speaker",
            "sha256": self.sha256 or hash_file(self.weights),
            "window_seconds": self.window_seconds,
        }

    def _load(self) -> Any:
        torch = require("torch", extra=EXTRA)
        if self.sha256 is not None:
            verify_sha256(self.weights, self.sha256)
        network = torch.nn.ModuleDict(
            {
                "lstm": torch.nn.LSTM(BANDS, HIDDEN, LAYERS, batch_first=True),
                "linear": torch.nn.Linear(HIDDEN, DIMENSION),
            }
        )
        tensors = read_tensors(self.weights, extra=EXTRA)
        fill(
            network, tensors, self.weights.name, unused=("similarity_",)
        )  # the training loss has two weights of its own
        return network.to(pick_device(self._device, extra=EXTRA))


def raised(samples: np.ndarray) -> np.ndarray:
    """Amplify sound below -30 dBFS to that level; leave louder sound and silence as they are."""
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    if rms == 0:
        return samples
    change = LOUDNESS - 20 * np.log10(rms)
    return samples * np.float32(10 ** (change / 20)) if change > 0 else samples


def partial_starts(samples: int) -> list[int]:
    """Return the first frame of each partial utterance (resemblyzer/voice_encoder.py, compute_partial_slices)."""
    frames = -(-(samples + 1) // SHIFT)
    step = round(SAMPLING_RATE / PARTIALS_PER_SECOND / SHIFT)
    starts = list(range(0, max(1, frames - PARTIAL_FRAMES + step + 1), step))
    coverage = (samples - starts[-1] * SHIFT) / (PARTIAL_FRAMES * SHIFT)
    return starts[:-1] if coverage < LEAST_COVERAGE and len(starts) > 1 else starts


def mel_filters() -> np.ndarray:
    """Return Slaney's mel filters, the default of librosa, shape (201, 40), float32."""
    audio_utils = require("transformers.audio_utils", extra=EXTRA)
    filters: np.ndarray = audio_utils.mel_filter_bank(
        num_frequency_bins=FRAME // 2 + 1,
        num_mel_filters=BANDS,
        min_frequency=0.0,
        max_frequency=SAMPLING_RATE / 2,
        sampling_rate=SAMPLING_RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters.astype(np.float32)


def mel_spectrogram(samples: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Return power (not its logarithm) in mel bands of centered frames, shape (frames, 40), as librosa does."""
    torch = require("torch", extra=EXTRA)
    spectrum = torch.stft(
        torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)),
        FRAME,
        SHIFT,
        window=torch.hann_window(FRAME),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    power: np.ndarray = spectrum.abs().square().T.numpy()
    bands: np.ndarray = power @ filters
    return bands


def build(name: str, *, window_seconds: float = WINDOW_SECONDS, device: str | None = None) -> dict[Modality, Encoder]:
    """Build the speaker encoder.

    Args:
        name: `resemblyzer` for the weights in the package of that name (`pip install --no-deps resemblyzer`; its own
            dependencies are not needed), or the path of a file with the same tensors.
        window_seconds: Longer recordings are cut into windows of this length.
        device: torch device; the best there is if None.

    Raises:
        ImportError: If the package is not installed.
        ModelError: If there is no such file.
    """
    if name == "resemblyzer":
        package = importlib.util.find_spec("resemblyzer")
        places = package.submodule_search_locations if package is not None else None
        if not places:
            install = 'pip install --no-deps "resemblyzer==0.1.4"'
            msg = f"speaker:resemblyzer needs the weights in the package resemblyzer; try: {install}"
            raise ImportError(msg)
        weights, sha256 = Path(places[0]) / "pretrained.pt", RESEMBLYZER_SHA256
    else:
        weights, sha256 = Path(name).expanduser(), None
    if not weights.is_file():
        msg = f"speaker:{name}: there is no file {weights}; expected 'resemblyzer' or the path of its weights"
        raise ModelError(msg)
    return {"audio": SpeakerEncoder(weights, sha256=sha256, window_seconds=window_seconds, device=device)}


FAMILY = Family(
    scheme="speaker",
    build=build,
    modalities=("audio",),
    extra="audio-models",
    summary="who speaks: the GE2E speaker encoder of Resemblyzer, from its package (pip install --no-deps resemblyzer)",
    examples=("speaker:resemblyzer",),
    dimensions=(256,),
    license="Apache-2.0",
    folders=False,
    files=True,
)
