"""Which backend and precision go together on this machine, and what a lower precision costs."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np

from senseweave.arguments import check_choice
from senseweave.encoders.runtime.backends.base import GraphInputs, VectorBackend
from senseweave.encoders.runtime.devices import default_device, is_processor
from senseweave.encoders.runtime.torch_runtime import is_half
from senseweave.extras import require

Backend = Literal["auto", "torch", "onnx", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]
BACKENDS: Final[tuple[Backend, ...]] = ("auto", "torch", "onnx", "openvino")
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "bf16", "int8")
POSSIBLE: Final = {"torch": ("fp32", "bf16"), "onnx": ("fp32", "int8"), "openvino": ("fp32", "bf16", "int8")}
"""The precisions of each backend."""
MODULES: Final = {"onnx": "onnxruntime", "openvino": "openvino"}

LOSS_TEXTS: Final = (
    "A small dog runs on the green grass.",
    "Rain falls on the roof of the old house by the sea.",
    "where does the last train to Bath stop",
    "How do I change the size of a batch?",
    "The central bank raised its rate by a quarter of a point on Thursday, as had been expected.",
    "def mean(values: list[float]) -> float:\n    return sum(values) / len(values)",
    "SELECT name, count(*) FROM orders WHERE total > 100 GROUP BY name ORDER BY 2 DESC",
    "The patient was given 20 mg twice a day; after six weeks the pain was gone.",
    "Mix flour, butter and sugar, let it rest for an hour, and bake it at 180 degrees until it is golden.",
    "The tenant shall return the premises in the condition in which they were received, wear and tear excepted.",
    "Error 404: the page that you are looking for was moved or never existed",
    "She sings a quiet song about mountains, rivers and stars, and nobody on the green grass listens to it.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "12 of 345 reports mention 6,789 vectors; the others name none.",
    "Wo hält der letzte Zug nach Hamburg?",
    "Le petit chien court dans l'herbe verte.",
    "¿Cómo se cambia el tamaño de un lote?",
    "東京の天気は明日も雨でしょう。",
    "Дождь идёт по крыше старого дома.",
    "to be or not to be",
    "vectors",
    "The quick brown fox jumps over the lazy dog. " * 12,
    "Abstract: we compare ways to compute sentence embeddings on processors without a graphics card. " * 6,
    "- milk\n- bread\n- two lemons\n- batteries (AA)",
)
"""What a lower precision is measured on: questions, prose, code, lists, several languages, short and long."""


@dataclass(frozen=True)
class Loss:
    """Cosines between vectors of a lower precision and of float32.

    Attributes:
        mean: Over the items.
        least: The lowest.
        count: How many were measured.
        unit: What they are: `texts` or `images`.
    """

    mean: float
    least: float
    count: int
    unit: str

    def describe(self) -> dict[str, float]:
        """Return plain values."""
        return {"cosine_mean": round(self.mean, 6), "cosine_min": round(self.least, 6), self.unit: self.count}


def measure_loss(reduced: VectorBackend, exact: VectorBackend, inputs: GraphInputs) -> Loss:
    """Compare the vectors of sample items, each alone."""
    cosines = []
    for item in inputs.loss_sample():
        a, b = reduced.vectors([item])[0].astype(np.float64), exact.vectors([item])[0].astype(np.float64)
        cosines.append(float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-30)))
    return Loss(float(np.mean(cosines)), float(np.min(cosines)), len(cosines), inputs.unit)


def check_backend(backend: str, precision: str, *, device: str | None, dtype: str | None) -> None:
    """Check that a backend can compute in a precision where it is asked to.

    Raises:
        ValueError: If it cannot; the message says what can.
    """
    check_choice("backend", backend, BACKENDS)
    check_choice("precision", precision, PRECISIONS)
    if precision != "fp32" and dtype is not None:
        msg = f"precision={precision!r} and dtype={dtype!r} both say how to compute; leave dtype out"
        raise ValueError(msg)
    if backend != "auto" and precision not in POSSIBLE[backend]:
        able = " or ".join(f"backend={name!r}" for name, kinds in POSSIBLE.items() if precision in kinds)
        msg = f"backend={backend!r} does not compute in {precision}; use {able}"
        raise ValueError(msg)
    device = device or default_device()
    if backend in MODULES or precision == "int8":
        wanted = f"backend={backend!r}" if backend in MODULES else "precision='int8'"
        if not is_processor(device):
            msg = (
                f"{wanted} computes on the CPU, not on device={device!r}; leave the device out, or use backend='torch'"
            )
            raise ValueError(msg)
        if is_half(dtype):
            msg = f"{wanted} does not take dtype={dtype!r}; use precision='bf16' with backend='torch' or 'openvino'"
            raise ValueError(msg)
    named_processor = device is not None and is_processor(device)
    on_processor = backend == "openvino" or named_processor or not has_accelerator()
    if precision == "bf16" and on_processor and not processor_has("avx512_bf16", "amx_bf16"):
        msg = "this processor has no bfloat16 (avx512_bf16, amx_bf16), which would be slow here; use fp32 or int8"
        raise ValueError(msg)


def is_installed(engine: str) -> bool:
    """Return whether the library of an engine is installed, without importing it."""
    return importlib.util.find_spec(MODULES[engine]) is not None


def has_accelerator() -> bool:
    """Return whether torch would compute on a graphics card; without importing torch where there is none."""
    if not (Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists() or shutil.which("nvidia-smi") or _is_mac()):
        return False
    torch = require("torch", extra="text")
    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())


def _is_mac() -> bool:
    return os.name == "posix" and Path("/System/Library/CoreServices").exists()


@cache
def processor_flags() -> frozenset[str]:
    """Return the instruction sets of the processor as Linux names them; empty where that is not known."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(flags.split())


def processor_has(*names: str) -> bool:
    """Return whether the processor has one of these instruction sets."""
    return bool(processor_flags() & set(names))
