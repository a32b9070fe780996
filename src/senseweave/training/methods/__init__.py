"""Methods of alignment, one file each."""

from __future__ import annotations

from typing import Final

from senseweave.training.methods import anchors, contrastive, csa, distill, procrustes, ridge
from senseweave.training.methods.base import Heads, Method, PairVectors, Settings

METHODS: Final[dict[str, Method]] = {
    module.METHOD.name: module.METHOD for module in (ridge, procrustes, csa, anchors, contrastive, distill)
}
"""Every method by name."""

__all__ = ["METHODS", "Heads", "Method", "PairVectors", "Settings"]
