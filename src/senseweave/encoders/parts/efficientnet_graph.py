"""EfficientNet-Lite0 as a graph for onnxruntime, its batch norms folded into the convolutions before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from senseweave.encoders.runtime.onnx_graph import Graph
from senseweave.encoders.runtime.onnx_session import OnnxSession, describe_session
from senseweave.encoders.runtime.tensor_files import read_pickled_tensors
from senseweave.errors import WeightsError

FEATURES: Final = 1280
"""Width of the last convolution (Tan and Le 2019, arXiv 1905.11946, table 1); Lite0 keeps it."""
SIZE: Final = 224
CLASSES: Final = 1000
STRIDES: Final = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""Of the 16 blocks (table 1)."""
EPSILON: Final = 1e-3
"""Of the batch norms (tensorflow/tpu, models/official/efficientnet/lite)."""
HIGHEST: Final = 6.0
"""Of ReLU6."""


class EfficientNetGraph:
    """The network, computed by onnxruntime."""

    def __init__(self, weights: Path) -> None:
        """Read a checkpoint of EfficientNet-PyTorch.

        Raises:
            WeightsError: If it is not one of EfficientNet-Lite0.
        """
        try:
            graph = lite0_graph(read_pickled_tensors(weights))
        except KeyError as error:
            msg = f"{weights.name} is not an EfficientNet-Lite0 checkpoint: it lacks {error}"
            raise WeightsError(msg) from error
        self._session = OnnxSession("EfficientNet-Lite0", graph.to_bytes(), graph.weights)

    def logits(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """Compute class scores of views of shape (3, 224, 224), shape (n, 1000), float32."""
        return self._compute(views, "logits")

    def features(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """Compute what goes into the classifier, shape (n, 1280), float32."""
        return self._compute(views, "features")

    def load(self) -> None:
        """Open the session now."""
        self._session.load()

    def describe_backend(self) -> dict[str, object]:
        """Return engine and threads."""
        return describe_session()

    def _compute(self, views: Sequence[np.ndarray], output: str) -> np.ndarray:
        (computed,) = self._session.run({"views": np.stack(views)}, [output])
        return computed


def lite0_graph(tensors: Mapping[str, np.ndarray]) -> Graph:
    """Return the graph from `views`, shape (n, 3, 224, 224), to `features` and `logits`.

    Args:
        tensors: By the names of EfficientNet-PyTorch (`_blocks.3._expand_conv.weight`).

    Raises:
        KeyError: If one is missing.
    """
    graph = Graph("efficientnet-lite0")
    lowest, highest = (graph.add_constant(np.array(value, np.float32)) for value in (0.0, HIGHEST))

    def convolve(x: str, layer: str, norm: str, size: int, *, stride: int = 1, depthwise: bool = False) -> str:
        kernel, bias = fold_norm(tensors, layer, norm)
        side = kernel.shape[-1]
        missing = max((-(-size // stride) - 1) * stride + side - size, 0)  # TensorFlow's `SAME`
        pads = [missing // 2] * 2 + [missing - missing // 2] * 2
        named = graph.add_weight(f"{layer}.weight", kernel), graph.add_weight(f"{layer}.bias", bias)
        group = len(kernel) if depthwise else 1
        return graph.add("Conv", x, *named, strides=[stride] * 2, pads=pads, group=group, kernel_shape=[side] * 2)

    def rectify(x: str) -> str:
        return graph.add("Clip", x, lowest, highest)

    x = graph.add_input("views", "float32", ["n", 3, SIZE, SIZE])
    x = rectify(convolve(x, "_conv_stem", "_bn0", SIZE, stride=2))
    size, width = SIZE // 2, len(tensors["_conv_stem.weight"])
    for number, stride in enumerate(STRIDES):
        block, y = f"_blocks.{number}", x
        if number:  # the first block is as narrow inside as outside
            y = rectify(convolve(y, f"{block}._expand_conv", f"{block}._bn0", size))
        y = convolve(y, f"{block}._depthwise_conv", f"{block}._bn1", size, stride=stride, depthwise=True)
        size = -(-size // stride)
        y = convolve(rectify(y), f"{block}._project_conv", f"{block}._bn2", size)
        narrow = len(tensors[f"{block}._project_conv.weight"])
        x = graph.add("Add", x, y) if stride == 1 and narrow == width else y
        width = narrow
    x = rectify(convolve(x, "_conv_head", "_bn1", size))
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    classifier = (graph.add_weight(name, tensors[name]) for name in ("_fc.weight", "_fc.bias"))
    graph.add_output("features", pooled, "float32", ["n", FEATURES])
    graph.add_output("logits", graph.add("Gemm", pooled, *classifier, transB=1), "float32", ["n", CLASSES])
    return graph


def fold_norm(tensors: Mapping[str, np.ndarray], layer: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias of a convolution and the batch norm after it, in float32, computed in double precision."""
    factor, shift, mean, variance = (
        tensors[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = factor / np.sqrt(variance + EPSILON)
    kernel = tensors[f"{layer}.weight"] * factor[:, None, None, None]
    return kernel.astype(np.float32), (shift - mean * factor).astype(np.float32)
