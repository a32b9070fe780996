"""Sound by VGGish: 128 numbers for each 0.96 s, from a checkpoint of torchvggish or torchaudio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.family import Family
from senseweave.encoders.runtime.checkpoint import hash_file
from senseweave.encoders.runtime.torch_runtime import Lazy, pick_device, pick_dtype, to_device
from senseweave.encoders.runtime.weight_files import fill, find_weights, read_tensors
from senseweave.errors import WeightsError
from senseweave.extras import require
from senseweave.media import Modality, Waveform

EXTRA = "audio-models"
SAMPLING_RATE = 16_000
FRAME, HOP, FOURIER = 400, 160, 512
"""Samples per frame, between frames, and of the transform (tensorflow/models, audioset/vggish/vggish_params.py)."""
BANDS, LOWEST, HIGHEST = 64, 125.0, 7500.0
OFFSET = 0.01
"""Added before the logarithm (Hershey et al. 2017, arXiv 1609.09430, section 3.1)."""
EXAMPLE_FRAMES = 96
"""Frames of an example; examples do not overlap (section 3.1)."""
EXAMPLE_SECONDS = EXAMPLE_FRAMES * HOP / SAMPLING_RATE
LEAST_SAMPLES = (EXAMPLE_FRAMES - 1) * HOP + FRAME
WINDOW_SECONDS = 9.615
"""Ten examples; the last frame ends 15 ms after them."""
BATCH_SECONDS = 60.0
BLOCKS = ((0,), (3,), (6, 8), (11, 13))
"""Numbers of the convolutions between which bands and frames are halved."""
LAYERS = (0, 2, 4)
CLIPPED = 2.0
"""Largest value of a whitened dimension, and the negative of the smallest (vggish_params.py, QUANTIZE_MAX_VAL)."""
NAMES = {"features_network.": "features.", "embedding_network.": "embeddings."}
"""What torchaudio's prototype calls the two halves, and what torchvggish calls them."""
WHITENING = ("pproc.pca_eigen_vectors", "pproc.pca_means")


class Vggish(Encoder):
    """Examples of 0.96 s through VGGish, and the mean of their vectors.

    Log-mel spectrograms of 96 frames and 64 bands go through six convolutions and three linear layers, each rectified
    (Hershey et al. 2017, arXiv 1609.09430; torchvggish). As there, what is left at the end of a sound and is no whole
    example is not read; a sound that is shorter than one example is padded with silence. Where the checkpoint holds
    the principal components of AudioSet's released vectors, each example is whitened and rounded to 8 bits by them.
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
        self.batch_budget = max(1, round(batch_seconds / EXAMPLE_SECONDS))
        self._device, self._dtype = device, dtype
        self._tensors: Lazy[dict[str, Any]] = Lazy(self._read)
        self._filters: Lazy[np.ndarray] = Lazy(mel_filters)
        self._model: Lazy[Any] = Lazy(self._load)
        self.parts = (self._tensors, self._filters, self._model)

    @property
    def dimension(self) -> int:
        """The width of the last layer, 128."""
        return int(self._tensors()["embeddings.4.weight"].shape[0])

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Compute log-mel spectrograms of the examples of each sound, shape (examples, 96, 64)."""
        prepared = []
        for sound in items:
            bands = log_mel(sound.samples, self._filters())
            examples = bands[: len(bands) // EXAMPLE_FRAMES * EXAMPLE_FRAMES].reshape(-1, EXAMPLE_FRAMES, BANDS)
            prepared.append(Prepared(examples, cost=len(examples)))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Run the examples of all sounds together, and average those of each.

        Examples that are rounded are run one by one: what a batch changes in the last digit can round another way.
        """
        torch = require("torch", extra=EXTRA)
        examples = torch.from_numpy(np.concatenate([item.data for item in batch]))
        step = 1 if self._is_whitened else len(examples)
        with torch.inference_mode():
            vectors = torch.cat([self._embed(part) for part in examples.split(step)]).float().cpu().numpy()
        if self._is_whitened:
            vectors = self._whiten(vectors)
        edges = np.cumsum([item.cost for item in batch])[:-1]
        return Encoded(np.stack([part.mean(axis=0) for part in np.split(vectors, edges)]))

    def identity(self) -> Mapping[str, object]:
        """Return weights, window and number type."""
        return {
            "family": "vggish",
            "sha256": hash_file(self.weights),
            "window_seconds": self.window_seconds,
            "dtype": self._dtype or "float32",
        }

    @property
    def _is_whitened(self) -> bool:
        """Whether the checkpoint holds the principal components of AudioSet's release."""
        return WHITENING[0] in self._tensors()

    def _embed(self, examples: Any) -> Any:
        """Return the vectors of examples, shape (n, dimension)."""
        torch = require("torch", extra=EXTRA)
        network = self._model()
        parameter = next(network.parameters())
        states = to_device(examples, parameter.device, parameter.dtype)[:, None]
        for block in BLOCKS:
            for number in block:
                states = network["features"][str(number)](states).relu()
            states = torch.nn.functional.max_pool2d(states, 2)
        states = states.permute(0, 2, 3, 1).flatten(1)
        for number in LAYERS:
            states = network["embeddings"][str(number)](states).relu()
        return states

    def _whiten(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors in the principal components of AudioSet's release, as whole numbers from 0 to 255."""
        components, means = (self._tensors()[name].float().numpy() for name in WHITENING)
        whitened = np.clip((vectors - means.reshape(1, -1)) @ components.T, -CLIPPED, CLIPPED)
        rounded: np.ndarray = np.round((whitened + CLIPPED) * np.float32(255 / (2 * CLIPPED)))
        return rounded

    def _read(self) -> dict[str, Any]:
        tensors = {_rename(name): tensor for name, tensor in read_tensors(self.weights, extra=EXTRA).items()}
        needed = [
            *(f"features.{number}.weight" for block in BLOCKS for number in block),
            *(f"embeddings.{number}.weight" for number in LAYERS),
        ]
        if any(name in tensors for name in WHITENING):
            needed += WHITENING
        missing = [name for name in needed if name not in tensors]
        if missing:
            msg = f"{self.weights.name} is no checkpoint of VGGish, or incomplete: it lacks {', '.join(missing)}"
            raise WeightsError(msg)
        return tensors

    def _load(self) -> Any:
        tensors = self._tensors()
        nn = require("torch", extra=EXTRA).nn

        def shape(name: str) -> tuple[int, int]:
            width, channels = tensors[f"{name}.weight"].shape[:2]
            return channels, width

        convolutions = {
            str(number): nn.Conv2d(*shape(f"features.{number}"), 3, padding=1) for block in BLOCKS for number in block
        }
        linear = {str(number): nn.Linear(*shape(f"embeddings.{number}")) for number in LAYERS}
        network = nn.ModuleDict({"features": nn.ModuleDict(convolutions), "embeddings": nn.ModuleDict(linear)})
        fill(network, tensors, self.weights.name, unused=("pproc.",))
        return network.to(pick_device(self._device, extra=EXTRA), pick_dtype(self._dtype, extra=EXTRA))


def log_mel(samples: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Return logarithms of magnitudes (not of powers) in mel bands, shape (frames, 64), float32.

    Frames are not centered, so that the first begins with the sound; silence is added up to one example.
    """
    samples = np.pad(samples.astype(np.float64), (0, max(0, LEAST_SAMPLES - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    magnitudes = np.abs(np.fft.rfft(frames * window, FOURIER))
    bands: np.ndarray = np.log(magnitudes @ filters + OFFSET).astype(np.float32)
    return bands


def mel_filters() -> np.ndarray:
    """Return triangles that are straight in mel (2595 log10(1 + f / 700)), shape (257, 64), float64."""
    frequencies = np.linspace(0, SAMPLING_RATE / 2, FOURIER // 2 + 1)
    mel = np.log1p(frequencies / 700)[:, None]
    edges = np.linspace(np.log1p(LOWEST / 700), np.log1p(HIGHEST / 700), BANDS + 2)
    low, center, high = edges[:-2], edges[1:-1], edges[2:]
    filters: np.ndarray = np.minimum((mel - low) / (center - low), (high - mel) / (high - center)).clip(min=0)
    return filters


def _rename(name: str) -> str:
    """Return torchvggish's name of a tensor."""
    for theirs, ours in NAMES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def build(
    name: str,
    *,
    window_seconds: float = WINDOW_SECONDS,
    batch_seconds: float = BATCH_SECONDS,
    device: str | None = None,
    dtype: str | None = None,
) -> dict[Modality, Encoder]:
    """Build the encoder of a VGGish checkpoint.

    Args:
        name: Path of a checkpoint file of torchvggish or torchaudio, a pickle of tensors or safetensors.
        window_seconds: Longer sound is cut into windows of this length, and these averaged.
        batch_seconds: Seconds of sound per batch.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.

    Raises:
        ModelError: If there is no such file.
    """
    weights = find_weights("vggish", name, "vggish-10086976.pth")
    encoder = Vggish(weights, window_seconds=window_seconds, batch_seconds=batch_seconds, device=device, dtype=dtype)
    return {"audio": encoder}


FAMILY = Family(
    scheme="vggish",
    build=build,
    modalities=("audio",),
    extra=EXTRA,
    summary="sound of any kind: VGGish, the mean of its examples of 0.96 s, with a local weight file",
    examples=("vggish:path/to/vggish-10086976.pth",),
    dimensions=(128,),
    license="Apache-2.0; weights trained on YouTube videos",
    folders=False,
    files=True,
)
