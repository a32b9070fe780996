"""ONNX graphs written node by node: how a network computes, in a few kilobytes beside weights that stay in their file.

The file format is defined by onnx.proto (github.com/onnx/onnx). It uses protocol buffers; graphs only need their
varints, bytes and floats.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

IR_VERSION: Final = 8
OPSET: Final = 17
"""Of ONNX 1.12, the first with `LayerNormalization`."""
MICROSOFT: Final = "com.microsoft"
"""The domain of onnxruntime's own operators."""
_TYPES: Final = {"float32": 1, "int32": 6, "int64": 7, "bool": 9, "float16": 10}
"""TensorProto.DataType."""
_EXTERNAL: Final = 1
"""TensorProto.DataLocation."""
_FLOAT, _INT, _STRING, _INTS = 1, 2, 3, 7
"""AttributeProto.AttributeType."""

Attribute = int | float | str | Sequence[int]


class Graph:
    """A graph in the making.

    Attributes:
        weights: The tensors that its file does not hold, by their names in the graph; passed on beside the file.
    """

    def __init__(self, name: str) -> None:
        """Begin a graph."""
        self._name = name
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._numbers = itertools.count()
        self.weights: dict[str, np.ndarray] = {}

    def add_input(self, name: str, dtype: str, shape: Sequence[int | str]) -> str:
        """Declare an input and return its name; a dimension given as a word may have any length."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def add_output(self, name: str, value: str, dtype: str, shape: Sequence[int | str]) -> None:
        """Declare a value of the graph an output under a name."""
        self.add("Identity", value, name=name)
        self._outputs.append(_value(name, dtype, shape))

    def add_weight(self, name: str, tensor: np.ndarray) -> str:
        """Name a tensor that stays outside the file, and return its name; the same name is added once."""
        if name not in self.weights:
            self.weights[name] = tensor
            self._tensors.append(_tensor(name, tensor, stored=False))
        return name

    def add_constant(self, tensor: np.ndarray) -> str:
        """Put a small tensor into the file and return its name."""
        name = f"constant_{next(self._numbers)}"
        self._tensors.append(_tensor(name, tensor, stored=True))
        return name

    def add(self, operator: str, *inputs: str, name: str = "", domain: str = "", **attributes: Attribute) -> str:
        """Add a node of one output, and return the name of that output.

        Args:
            operator: Such as `MatMul`.
            *inputs: Names of inputs, weights, constants and outputs of other nodes; empty where one is left out.
            name: Of the output; chosen if empty.
            domain: Of the operator; ONNX's own if empty.
            **attributes: Of the node.
        """
        output = name or f"{operator}_{next(self._numbers)}"
        parts = [_text(1, given) for given in inputs]
        parts += [_text(2, output), _text(3, output), _text(4, operator)]
        parts += [_field(5, _attribute(key, value)) for key, value in attributes.items()]
        self._nodes.append(b"".join(parts) + _text(7, domain))
        return output

    def to_bytes(self) -> bytes:
        """Return the graph as a file."""
        graph = b"".join(
            [
                *(_field(1, node) for node in self._nodes),
                _text(2, self._name),
                *(_field(5, tensor) for tensor in self._tensors),
                *(_field(11, value) for value in self._inputs),
                *(_field(12, value) for value in self._outputs),
            ]
        )
        operators = [_text(1, domain) + _number(2, version) for domain, version in (("", OPSET), (MICROSOFT, 1))]
        return b"".join(
            [
                _number(1, IR_VERSION),
                _text(2, "senseweave"),
                _field(7, graph),
                *(_field(8, operator) for operator in operators),
            ]
        )


def _value(name: str, dtype: str, shape: Sequence[int | str]) -> bytes:
    """Return a ValueInfoProto."""
    dimensions = [_text(2, size) if isinstance(size, str) else _number(1, size) for size in shape]
    tensor = _number(1, _TYPES[dtype]) + _field(2, b"".join(_field(1, dimension) for dimension in dimensions))
    return _text(1, name) + _field(2, _field(1, tensor))


def _tensor(name: str, tensor: np.ndarray, *, stored: bool) -> bytes:
    """Return a TensorProto, with its numbers or a reference to a place outside the file."""
    parts = [*(_number(1, size) for size in tensor.shape), _number(2, _TYPES[tensor.dtype.name]), _text(8, name)]
    if stored:
        return b"".join([*parts, _field(9, np.ascontiguousarray(tensor).tobytes())])
    outside: Mapping[str, str] = {"location": "weights", "offset": "0", "length": str(tensor.nbytes)}
    parts += [_field(13, _text(1, key) + _text(2, value)) for key, value in outside.items()]
    return b"".join([*parts, _number(14, _EXTERNAL)])


def _attribute(name: str, value: Attribute) -> bytes:
    """Return an AttributeProto."""
    if isinstance(value, str):
        return _text(1, name) + _text(4, value) + _number(20, _STRING)
    if isinstance(value, float):
        return _text(1, name) + _key(2, 5) + struct.pack("<f", value) + _number(20, _FLOAT)
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _INT)
    return _text(1, name) + b"".join(_number(8, part) for part in value) + _number(20, _INTS)


def _key(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _field(field, value.encode())


def _field(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return a number of seven bits a byte, lowest first; below 0 as 64 bits of two's complement."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
