"""EfficientNet-Lite0 by timm and torch, for devices other than the CPU."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.encoders.runtime.torch_runtime import pick_device
from senseweave.errors import WeightsError
from senseweave.extras import require

STAGE_DEPTHS: Final = (1, 2, 2, 3, 3, 4, 1)
"""Blocks per stage of EfficientNet-B0 and Lite0 (Tan and Le 2019, arXiv 1905.11946, table 1)."""


class EfficientNetTorch:
    """The network, computed by torch."""

    def __init__(self, weights: Path, device: str | None) -> None:
        """Read a checkpoint of EfficientNet-PyTorch onto a device.

        Raises:
            WeightsError: If it is not one of EfficientNet-Lite0.
            ImportError: If torch or timm is missing; the message holds the install line.
        """
        torch = require("torch", extra="image")
        timm = require("timm", extra="image", feature="the starter's image encoder on this device")
        state = torch.load(weights, map_location="cpu", weights_only=True)
        model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        try:
            model.load_state_dict(timm_names(state), strict=True)
        except RuntimeError as error:
            msg = f"{weights.name} is not an EfficientNet-Lite0 checkpoint: {error}"
            raise WeightsError(msg) from error
        self._device = pick_device(device, extra="image")
        self._model = model.eval().to(self._device, memory_format=torch.channels_last)

    def logits(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """Compute class scores of views of shape (3, 224, 224), shape (n, 1000), float32."""
        return self._compute(views, self._model)

    def features(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """Compute what goes into the classifier, shape (n, 1280), float32."""
        model = self._model
        return self._compute(
            views, lambda stacked: model.forward_head(model.forward_features(stacked), pre_logits=True)
        )

    def load(self) -> None:
        """Do nothing: the model was loaded when this was made."""

    def describe_backend(self) -> dict[str, object]:
        """Return engine and device."""
        return {"backend": "torch", "device": self._device}

    def _compute(self, views: Sequence[np.ndarray], part: Any) -> np.ndarray:
        torch = require("torch", extra="image")
        with torch.inference_mode():
            stacked = torch.from_numpy(np.stack(views)).to(self._device, memory_format=torch.channels_last)
            computed: np.ndarray = part(stacked).float().cpu().numpy()
        return computed


def timm_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the parameters of EfficientNet-PyTorch (`_blocks.3._expand_conv`) to timm's (`blocks.2.0.conv_pw`)."""
    places = [(stage, block) for stage, depth in enumerate(STAGE_DEPTHS) for block in range(depth)]
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    later = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    renamed = {}
    for name, value in state.items():
        inside = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
        if inside:
            stage, block = places[int(inside[1])]
            layer = (first if stage == 0 else later)[inside[2]]
            renamed[f"blocks.{stage}.{block}.{layer}.{inside[3]}"] = value
        else:
            layer, _, parameter = name.partition(".")
            renamed[f"{outer.get(layer, layer)}.{parameter}"] = value
    return renamed
