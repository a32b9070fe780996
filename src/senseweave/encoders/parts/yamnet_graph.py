"""YAMNet without torch: its front end in numpy, its convolutions as a graph for onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from senseweave.encoders.runtime.onnx_graph import Graph
from senseweave.encoders.runtime.onnx_session import OnnxSession, describe_session

SAMPLING_RATE: Final = 16_000
FRAME, SHIFT, FFT = 400, 160, 512
"""Samples of a spectrogram's frame, between frames, and of the Fourier transform: 25, 10 and 32 ms."""
BANDS, LOWEST_HZ, HIGHEST_HZ, LOG_OFFSET = 64, 125.0, 7500.0, 0.001
PATCH, PATCH_SHIFT = 96, 48
"""Frames of a patch and between patches: 0.96 and 0.48 s."""
STRIDES: Final = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
"""Of the 13 separable convolutions, as in MobileNet v1 (Howard et al. 2017, arXiv 1704.04861, table 1)."""
FEATURES: Final = 1024
"""Width of the last convolution (table 1)."""
PATCHES_AT_ONCE: Final = 16


class YamnetGraph:
    """The network, computed by onnxruntime."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take kernels and biases as tools/yamnet_weights.py writes them."""
        graph = yamnet_graph({name: tensor.astype(np.float32) for name, tensor in tensors.items()})
        self._session = OnnxSession("YAMNet", graph.to_bytes(), graph.weights)
        self._window, self._mel = hann_window().astype(np.float64), mel_weights().astype(np.float64)

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Compute the features of each patch of samples, shape (n,); returns shape (patches, 1024), float32."""
        patches = self._patches(samples)
        starts = range(0, len(patches), PATCHES_AT_ONCE)
        return np.concatenate(
            [self._session.run({"patches": patches[start : start + PATCHES_AT_ONCE]})[0] for start in starts]
        )

    def load(self) -> None:
        """Open the session now."""
        self._session.load()

    def describe_backend(self) -> dict[str, object]:
        """Return engine and threads."""
        return describe_session()

    def _patches(self, samples: np.ndarray) -> np.ndarray:
        """Cut the log mel spectrogram of samples, padded to whole patches, into shape (patches, 1, 96, 64).

        In double precision: in float32 a pure tone is off by 0.002 where its neighbors are near silence.
        """
        padded = np.zeros(padded_length(len(samples)), np.float32)
        padded[: len(samples)] = samples
        frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::SHIFT] * self._window
        mel = np.log(np.abs(np.fft.rfft(frames, FFT)) @ self._mel + LOG_OFFSET).astype(np.float32)
        patches = np.lib.stride_tricks.sliding_window_view(mel, PATCH, axis=0)[::PATCH_SHIFT]
        return np.ascontiguousarray(patches.transpose(0, 2, 1))[:, None]


def yamnet_graph(tensors: Mapping[str, np.ndarray]) -> Graph:
    """Return the graph from `patches`, shape (n, 1, 96, 64), to `features`, shape (n, 1024).

    Convolutions are padded as TensorFlow's `SAME` does, which puts the odd row and column at the end.
    """
    graph = Graph("yamnet")
    sides = (PATCH, BANDS)
    x = graph.add_input("patches", "float32", ["n", 1, *sides])

    def convolve(x: str, number: int, stride: int, sides: tuple[int, int], *, depthwise: bool = False) -> str:
        kernel, bias = tensors[f"conv{number}.weight"], tensors[f"conv{number}.bias"]
        size = kernel.shape[-1]
        missing = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in sides]
        pads = [part // 2 for part in missing] + [part - part // 2 for part in missing]
        named = graph.add_weight(f"conv{number}.weight", kernel), graph.add_weight(f"conv{number}.bias", bias)
        group = len(bias) if depthwise else 1
        shape: dict[str, Any] = {"strides": [stride] * 2, "pads": pads, "group": group, "kernel_shape": [size] * 2}
        return graph.add("Relu", graph.add("Conv", x, *named, **shape))

    x = convolve(x, 0, 2, sides)
    sides = (PATCH // 2, BANDS // 2)
    for block, stride in enumerate(STRIDES):
        x = convolve(x, 2 * block + 1, stride, sides, depthwise=True)
        sides = (-(-sides[0] // stride), -(-sides[1] // stride))
        x = convolve(x, 2 * block + 2, 1, sides)
    graph.add_output("features", graph.add("Flatten", graph.add("GlobalAveragePool", x)), "float32", ["n", FEATURES])
    return graph


def padded_length(samples: int) -> int:
    """Return to how many samples a recording is padded, so that it has whole patches and at least one."""
    first = (PATCH - 1) * SHIFT + FRAME
    return first + max(0, -(-(samples - first) // (PATCH_SHIFT * SHIFT))) * PATCH_SHIFT * SHIFT


def hann_window() -> np.ndarray:
    """Return the periodic Hann window of a frame, shape (400,), float32."""
    window: np.ndarray = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)
    return window


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
