"""Which types a device computes activations in while it trains."""

from __future__ import annotations

from typing import Final, Literal

from senseweave.errors import ModelError
from senseweave.extras import require

Precision = Literal["fp32", "bf16", "fp16"]
BF16_INSTRUCTIONS: Final = ("avx512_bf16", "amx_bf16", "bf16")
"""Names that `torch.cpu.get_capabilities` has for them: of x86 (AVX-512, AMX) and of Arm."""


def check_precision(precision: Precision, device: str) -> None:
    """Check that a device trains in a type faster than by converting every number back and forth.

    Args:
        precision: The type of activations.
        device: torch device.

    Raises:
        ModelError: If it does not.
    """
    torch = require("torch", extra="training", feature="fine-tuning")
    kind = torch.device(device).type
    if precision == "fp16" and kind != "cuda":
        msg = f"precision='fp16' needs a CUDA device, and this run is on {device!r}; use 'fp32'{_or_bf16(kind)}"
        raise ModelError(msg)
    if precision == "bf16" and not has_bf16(kind):
        missing = "this processor has no instructions for it" if kind == "cpu" else f"{device!r} does not compute in it"
        others = "'fp32' or 'fp16'" if kind == "cuda" else "'fp32'"
        msg = f"precision='bf16': {missing}; use {others}"
        raise ModelError(msg)


def has_bf16(kind: str) -> bool:
    """Return whether a type of device (`cpu`, `cuda`, ...) computes in bfloat16 itself."""
    torch = require("torch", extra="training", feature="fine-tuning")
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind != "cpu":
        return False
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is None:  # torch before 2.10
        return bool(torch.cpu._is_avx512_bf16_supported())
    found = capabilities()
    return any(found.get(name) for name in BF16_INSTRUCTIONS)


def _or_bf16(kind: str) -> str:
    return " or 'bf16'" if has_bf16(kind) else ""
