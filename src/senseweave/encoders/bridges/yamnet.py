"""YAMNet: which of AudioSet's 521 kinds of sound are heard in a recording."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from senseweave.encoders.parts.starter_weights import YAMNET
from senseweave.encoders.runtime.pinned_weights import FoundWeights, PinnedWeights
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable, pick_device
from senseweave.extras import require
from senseweave.media import Waveform

WEIGHTS, USUAL_SCORES = YAMNET.files
"""The network, and the mean score of each kind over recordings of many kinds."""

SAMPLING_RATE = 16_000
FRAME, SHIFT, FFT = 400, 160, 512
"""Samples of a spectrogram's frame, between frames, and of the Fourier transform: 25, 10 and 32 ms."""
BANDS, LOWEST_HZ, HIGHEST_HZ, LOG_OFFSET = 64, 125.0, 7500.0, 0.001
PATCH, PATCH_SHIFT = 96, 48
"""Frames of a patch and between patches: 0.96 and 0.48 s."""
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
"""Of the 13 separable convolutions, as in MobileNet v1 (Howard et al. 2017, arXiv 1704.04861, table 1)."""
FEATURES = 1024
"""Width of the last convolution (table 1)."""
PATCHES_AT_ONCE = 16


class Yamnet(Loadable):
    """Scores of 521 kinds of sound, and 1,024 features, for every 0.48 s of a recording.

    The front end and the network are those of tensorflow/models, research/audioset/yamnet. A recording is padded with
    silence to whole patches, so that its end is heard.
    """

    sampling_rate = SAMPLING_RATE

    def __init__(self, weights: PinnedWeights = YAMNET, *, device: str | None = None) -> None:
        """Describe the network; its weights are checked and read on first use."""
        self.weights = weights
        self._device = device
        self._found: Lazy[FoundWeights] = Lazy(weights.find)
        self._header: Lazy[tuple[str, ...]] = Lazy(self._read_labels)
        self._network: Lazy[Network] = Lazy(self._load)
        self._information: Lazy[np.ndarray] = Lazy(self._read_information)
        self.parts = (self._found, self._header, self._information, self._network)

    @property
    def labels(self) -> Sequence[str]:
        """The names of the kinds in the order of the scores."""
        return self._header()

    def places(self, names: Sequence[str]) -> list[int]:
        """Return where kinds stand in the scores.

        Raises:
            ValueError: If there is no kind of that name.
        """
        labels = list(self.labels)
        return [labels.index(name) for name in names]

    @property
    def information(self) -> np.ndarray:
        """What a kind says of a recording, log(1 / usual score), shape (521,), float32."""
        return self._information()

    def scores(self, sound: Waveform) -> np.ndarray:
        """Return how sure the network is of each kind, from 0 to 1, shape (patches, 521), float32."""
        return self._network().scores(self._network().features(sound.samples))

    def features(self, sound: Waveform) -> np.ndarray:
        """Return the features before the classifier, shape (patches, 1024), float32."""
        features: np.ndarray = self._network().features(sound.samples).cpu().numpy()
        return features

    def identity(self) -> Mapping[str, object]:
        """Checksums of the weights and of the usual scores."""
        return {**self.network_identity(), "usual scores": self.weights.files[USUAL_SCORES]}

    def network_identity(self) -> Mapping[str, object]:
        """Checksum of the weights, which decide scores and features."""
        return {"sounds": "yamnet", "sha256": self.weights.sha256}

    def _read_labels(self) -> tuple[str, ...]:
        safetensors = require("safetensors", extra="starter", feature="the starter's sound events")
        with safetensors.safe_open(str(self._found().path(WEIGHTS)), "np") as file:
            return tuple(json.loads(file.metadata()["labels"]))

    def _read_information(self) -> np.ndarray:
        usual = json.loads(self._found().read(USUAL_SCORES))
        return -np.log(np.array([usual[label] for label in self.labels], np.float32))

    def _load(self) -> Network:
        numbers = require("safetensors.torch", extra="starter", feature="the starter's sound events")
        return Network(numbers.load(self._found().read(WEIGHTS)), pick_device(self._device, extra="starter"))


class Network:
    """The loaded network."""

    def __init__(self, tensors: Mapping[str, Any], device: Any) -> None:
        """Take kernels and biases as tools/yamnet_weights.py writes them."""
        torch = require("torch", extra="starter")
        at = {name: tensor.float().to(device) for name, tensor in tensors.items()}
        self.layers = [(at[f"conv{number}.weight"], at[f"conv{number}.bias"]) for number in range(2 * len(STRIDES) + 1)]
        self.classifier = at["classifier.weight"], at["classifier.bias"]
        self.window = torch.hann_window(FRAME, periodic=True, device=device)
        self.mel = torch.from_numpy(mel_weights()).to(device)

    def features(self, samples: np.ndarray) -> Any:
        """Compute the features of each patch, shape (patches, 1024)."""
        torch = require("torch", extra="starter")
        with torch.inference_mode():
            patches = self._patches(torch.from_numpy(np.ascontiguousarray(samples, np.float32)))
            return torch.cat([self._convolve(part) for part in patches.split(PATCHES_AT_ONCE)])

    def scores(self, features: Any) -> np.ndarray:
        """Compute the scores from features."""
        torch = require("torch", extra="starter")
        weight, bias = self.classifier
        with torch.inference_mode():
            scores: np.ndarray = torch.sigmoid(features @ weight.T + bias).cpu().numpy()
        return scores

    def _patches(self, samples: Any) -> Any:
        """Cut the log mel spectrogram of samples, shape (n,), into patches, shape (patches, 1, 96, 64)."""
        torch = require("torch", extra="starter")
        first = (PATCH - 1) * SHIFT + FRAME
        more = max(0, -(-(len(samples) - first) // (PATCH_SHIFT * SHIFT)))
        padded = torch.nn.functional.pad(samples, (0, first + more * PATCH_SHIFT * SHIFT - len(samples)))
        frames = padded.to(self.window.device).unfold(0, FRAME, SHIFT) * self.window
        mel = torch.log(torch.fft.rfft(frames, FFT).abs() @ self.mel + LOG_OFFSET)
        return mel.unfold(0, PATCH, PATCH_SHIFT).transpose(1, 2).unsqueeze(1)

    def _convolve(self, patches: Any) -> Any:
        torch = require("torch", extra="starter")
        (weight, bias), *separable = self.layers
        x = convolve_same(patches.contiguous(memory_format=torch.channels_last), weight, bias, stride=2)
        for stride, depthwise, pointwise in zip(STRIDES, separable[::2], separable[1::2], strict=True):
            x = convolve_same(x, *depthwise, stride=stride, groups=len(depthwise[0]))
            x = torch.nn.functional.relu_(torch.nn.functional.conv2d(x, *pointwise))
        return x.mean((2, 3))


def convolve_same(x: Any, weight: Any, bias: Any, *, stride: int, groups: int = 1) -> Any:
    """Convolve 3 x 3 and rectify; padded as TensorFlow's `SAME` does, which puts the odd row and column at the end."""
    functional = require("torch", extra="starter").nn.functional
    padding = []
    for size in reversed(x.shape[2:]):
        total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
        padding += [total // 2, total - total // 2]
    return functional.relu_(functional.conv2d(functional.pad(x, padding), weight, bias, stride=stride, groups=groups))


def mel_weights() -> np.ndarray:
    """Return the triangular filters of the mel scale 1127 log(1 + f / 700), shape (257, 64), float32."""

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    bins = mel(np.linspace(0.0, SAMPLING_RATE / 2, FFT // 2 + 1))[:, None]
    edges = np.linspace(mel(LOWEST_HZ), mel(HIGHEST_HZ), BANDS + 2)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights: np.ndarray = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    weights[0] = 0.0  # the constant part belongs to no band
    return weights
