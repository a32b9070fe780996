"""YAMNet by torch, for devices other than the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from senseweave.encoders.parts.yamnet_graph import (
    FFT,
    FRAME,
    LOG_OFFSET,
    PATCH,
    PATCH_SHIFT,
    PATCHES_AT_ONCE,
    SHIFT,
    STRIDES,
    hann_window,
    mel_weights,
    padded_length,
)
from senseweave.encoders.runtime.torch_runtime import pick_device
from senseweave.extras import require


class YamnetTorch:
    """The network, computed by torch."""

    def __init__(self, tensors: Mapping[str, np.ndarray], device: str | None) -> None:
        """Take kernels and biases as tools/yamnet_weights.py writes them.

        Raises:
            ImportError: If torch is missing; the message holds the install line.
        """
        torch = require("torch", extra="audio-models", feature="the starter's sound events on this device")
        self._device = device = pick_device(device, extra="audio-models")
        at = {name: torch.from_numpy(tensor.astype(np.float32)).to(device) for name, tensor in tensors.items()}
        self.layers = [(at[f"conv{number}.weight"], at[f"conv{number}.bias"]) for number in range(2 * len(STRIDES) + 1)]
        self.window = torch.from_numpy(hann_window()).to(device)
        self.mel = torch.from_numpy(mel_weights()).to(device)

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Compute the features of each patch of samples, shape (n,); returns shape (patches, 1024), float32."""
        torch = require("torch", extra="audio-models")
        with torch.inference_mode():
            patches = self._patches(torch.from_numpy(np.ascontiguousarray(samples, np.float32)))
            features = torch.cat([self._convolve(part) for part in patches.split(PATCHES_AT_ONCE)])
            computed: np.ndarray = features.cpu().numpy()
        return computed

    def load(self) -> None:
        """Do nothing: the weights were loaded when this was made."""

    def describe_backend(self) -> dict[str, object]:
        """Return engine and device."""
        return {"backend": "torch", "device": self._device}

    def _patches(self, samples: Any) -> Any:
        """Cut the log mel spectrogram of samples, shape (n,), into patches, shape (patches, 1, 96, 64)."""
        torch = require("torch", extra="audio-models")
        padded = torch.nn.functional.pad(samples, (0, padded_length(len(samples)) - len(samples)))
        frames = padded.to(self.window.device).unfold(0, FRAME, SHIFT) * self.window
        mel = torch.log(torch.fft.rfft(frames, FFT).abs() @ self.mel + LOG_OFFSET)
        return mel.unfold(0, PATCH, PATCH_SHIFT).transpose(1, 2).unsqueeze(1)

    def _convolve(self, patches: Any) -> Any:
        torch = require("torch", extra="audio-models")
        (weight, bias), *separable = self.layers
        x = convolve_same(patches.contiguous(memory_format=torch.channels_last), weight, bias, stride=2)
        for stride, depthwise, pointwise in zip(STRIDES, separable[::2], separable[1::2], strict=True):
            x = convolve_same(x, *depthwise, stride=stride, groups=len(depthwise[0]))
            x = torch.nn.functional.relu_(torch.nn.functional.conv2d(x, *pointwise))
        return x.mean((2, 3))


def convolve_same(x: Any, weight: Any, bias: Any, *, stride: int, groups: int = 1) -> Any:
    """Convolve 3 x 3 and rectify; padded as TensorFlow's `SAME` does, which puts the odd row and column at the end."""
    functional = require("torch", extra="audio-models").nn.functional
    padding = []
    for size in reversed(x.shape[2:]):
        total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
        padding += [total // 2, total - total // 2]
    return functional.relu_(functional.conv2d(functional.pad(x, padding), weight, bias, stride=stride, groups=groups))
