"""What computes a model: torch, or a graph of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.parts.graph_encoder import Engine, GraphSource, source_key
from senseweave.encoders.runtime.backends.cache import find_entry
from senseweave.encoders.runtime.backends.precision import (
    Backend,
    Precision,
    check_backend,
    has_accelerator,
    is_installed,
)
from senseweave.encoders.runtime.devices import default_device, is_processor
from senseweave.encoders.runtime.torch_runtime import is_half
from senseweave.media import Modality


@dataclass(frozen=True)
class BackendChoice:
    """What is to compute a model, in which precision and where.

    Attributes:
        backend: `torch`, `onnx`, `openvino`, or `auto`: in float32 on the CPU the graph of ONNX Runtime if one was made
            before, by a load that asked for it (making one takes seconds and packages that compute nothing else), and
            torch otherwise. In bfloat16 it is torch, and in 8 bits ONNX Runtime, or OpenVINO where it alone is there.
        precision: `fp32`, `bf16` or `int8`.
        device: torch device that was asked for, or None.
        dtype: Number type of torch that was asked for, or None.

    Raises:
        ValueError: If there is no such choice here; the message says what there is.
    """

    backend: Backend
    precision: Precision
    device: str | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        check_backend(self.backend, self.precision, device=self.device, dtype=self.dtype)

    @property
    def torch_dtype(self) -> str | None:
        """The number type of the model in torch."""
        return "bfloat16" if self.precision == "bf16" else self.dtype

    def apply(self, encoders: Mapping[Modality, Any]) -> dict[Modality, Encoder]:
        """Return encoders in torch, each a `GraphSource`, as they are, or as graphs where that was asked for."""
        return {modality: self._apply(source) for modality, source in encoders.items()}

    def _apply(self, source: Any) -> Encoder:
        engine: Engine
        if self.backend == "torch":
            return source  # type: ignore[no-any-return]
        if self.backend != "auto":
            engine = self.backend
        elif self.precision == "int8":
            engine = "openvino" if not is_installed("onnx") and is_installed("openvino") else "onnx"
        elif self.precision == "fp32" and _is_ready(source, self.device):
            return source.graph_class(source, "onnx", forgiving=True)  # type: ignore[no-any-return]
        else:
            return source  # type: ignore[no-any-return]
        return source.graph_class(source, engine, self.precision)  # type: ignore[no-any-return]


def _is_ready(source: GraphSource, device: str | None) -> bool:
    """Return whether there is a graph of a model that torch would compute on the CPU in float32."""
    device = device or default_device()
    if not is_processor(device) or is_half(source.dtype) or not is_installed("onnx"):
        return False
    try:
        return find_entry(source_key(source)) is not None and (device is not None or not has_accelerator())
    except OSError:
        return False
