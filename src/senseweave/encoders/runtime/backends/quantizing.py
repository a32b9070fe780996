"""Graphs with weights of 8 bits: for ONNX Runtime, which rounds states too, and for OpenVINO."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.encoders.runtime.backends.precision import processor_has
from senseweave.extras import require

LEAST_VALUES: Final = 1024
"""Smaller matrices stay as they are: they cost no time, and rounding them costs as much as rounding others."""


def quantize(engine: str, graph: Path, into: Path) -> None:
    """Write a graph with weights of 8 bits, for the engine that is to compute it.

    Raises:
        ImportError: If a library is missing; the message holds the install line.
    """
    if engine == "onnx":
        _round_dynamically(graph, into)
    else:
        _round_weights(graph, into)


def _round_dynamically(graph: Path, into: Path) -> None:
    """Round weights now and states when they are computed, as `onnxruntime.quantization` does.

    Processors without VNNI add products of 8 bits up in 16, which overflow unless weights have 7 bits.
    """
    onnx = require("onnx", extra="onnx")
    quantization = require("onnxruntime.quantization", extra="onnx")
    model = onnx.load(str(graph))
    del model.graph.value_info[:]  # of shapes that are wrong once the quantizer has transposed weights
    with _quiet():
        quantization.quantize_dynamic(
            model,
            str(into),
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=not processor_has("avx512_vnni", "avx_vnni", "asimddp"),
            weight_type=quantization.QuantType.QInt8,
            use_external_data_format=graph.with_name(f"{graph.name}.data").exists(),
        )


def _round_weights(graph: Path, into: Path) -> None:
    """Round the weights of every product to 8 bits with a scale for each column, which OpenVINO keeps as they are.

    States stay in float32 in the graph; the engine rounds them in small groups (its `DYNAMIC_QUANTIZATION_GROUP_SIZE`).
    """
    onnx = require("onnx", extra="onnx")
    model = onnx.load(str(graph))
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[Any] = []
    rounded: dict[str, str] = {}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if node.op_type not in ("MatMul", "Gemm") or place != 1 or name not in weights:
                continue
            if name not in rounded:
                values = onnx.numpy_helper.to_array(weights[name])
                if values.dtype != np.float32 or values.ndim != 2 or values.size < LEAST_VALUES:
                    continue
                transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
                axis = 0 if transposed else 1
                scales = np.abs(values).max(axis=1 - axis, keepdims=True) / 127.0
                scales[scales == 0] = 1.0
                whole = np.clip(np.rint(values / scales), -127, 127).astype(np.int8)
                model.graph.initializer.append(onnx.numpy_helper.from_array(whole, f"{name}_int8"))
                flat = scales.reshape(-1).astype(np.float32)
                model.graph.initializer.append(onnx.numpy_helper.from_array(flat, f"{name}_scale"))
                nodes.append(
                    onnx.helper.make_node(
                        "DequantizeLinear", [f"{name}_int8", f"{name}_scale"], [f"{name}_rounded"], axis=axis
                    )
                )
                rounded[name] = f"{name}_rounded"
            node.input[place] = rounded[name]
    others = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *others])
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    onnx.save(model, str(into), save_as_external_data=graph.with_name(f"{graph.name}.data").exists())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep onnxruntime's advice to preprocess the graph, which is made for this, out of the root logger."""
    root = logging.getLogger()
    advice = "Please consider to run pre-processing"

    def keep(record: logging.LogRecord) -> bool:
        return advice not in record.getMessage()

    root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)
