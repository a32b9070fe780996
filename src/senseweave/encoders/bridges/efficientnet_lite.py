"""EfficientNet-Lite0 over the 1,000 ImageNet classes, from the weights that come as a package."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from senseweave.encoders.parts.long_images import crop_middle
from senseweave.encoders.parts.starter_weights import EFFICIENTNET_LITE0
from senseweave.encoders.runtime.pinned_weights import PinnedWeights
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable, pick_device
from senseweave.errors import WeightsError
from senseweave.extras import require

STAGE_DEPTHS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks per stage of EfficientNet-B0 and Lite0 (Tan and Le 2019, arXiv 1905.11946, table 1)."""
FEATURES = 1280
"""Width of the last convolution (table 1); Lite0 keeps it."""
SIZE = 224
CROP = 0.875
MEAN, STD = 127.0 / 255.0, 128.0 / 255.0
"""Pixels are scaled as (x - 127) / 128, as the authors of EfficientNet-Lite do (tensorflow/tpu, efficientnet/lite)."""
BORDER_SIDE, BORDER_LEVELS, BORDER_SHARE = 64, 24, 0.1
"""A border is plain if no more than this share of its pixels, in a picture of 64 x 64, is this far from its median."""


class EfficientNetLite0(Loadable):
    """An image classifier with named classes; see `senseweave.encoders.bridges.base.Classifier`."""

    batch_budget = 16
    side = int(SIZE / CROP)

    def __init__(self, weights: PinnedWeights = EFFICIENTNET_LITE0, *, device: str | None = None) -> None:
        """Describe the classifier; its weights are checked and loaded on first use."""
        self.weights = weights
        self._device = device
        self._model: Lazy[Any] = Lazy(self._load)
        self._labels: Lazy[tuple[str, ...]] = Lazy(imagenet_labels)
        self.parts = (self._labels, self._model)

    @property
    def labels(self) -> Sequence[str]:
        """The class names in the order of the logits."""
        return self._labels()

    def prepare(self, image: Any) -> Sequence[Any]:
        """Return the views of a PIL image, float32 tensors of shape (3, 224, 224).

        The whole picture alone where its border is plain (cut-outs, drawings, product shots, scans), because the crop
        would cut off what is shown; otherwise the crop at the center, as the model was trained, and the whole picture.
        """
        image = crop_middle(image)
        whole = scale_pixels(whole_view(image))
        return [whole] if has_plain_border(image) else [scale_pixels(center_view(image)), whole]

    def logits(self, batch: Sequence[Any]) -> np.ndarray:
        """Compute class scores before softmax, shape (n, 1000), float32."""
        return self._compute(batch, lambda model, views: model(views))

    def features(self, batch: Sequence[Any]) -> np.ndarray:
        """Compute what goes into the classifier, the mean over places, shape (n, 1280), float32, none negative."""
        return self._compute(
            batch, lambda model, views: model.forward_head(model.forward_features(views), pre_logits=True)
        )

    def identity(self) -> Mapping[str, object]:
        """Checksum of the weights and the preprocessing."""
        return {
            "classifier": "efficientnet-lite0",
            "sha256": self.weights.sha256,
            "size": SIZE,
            "crop": CROP,
            "views": "whole if the border is plain, else center crop and whole",
            "mean": MEAN,
            "std": STD,
        }

    def _compute(self, batch: Sequence[Any], part: Callable[[Any, Any], Any]) -> np.ndarray:
        torch = require("torch", extra="starter")
        model = self._model()
        device = next(model.parameters()).device
        with torch.inference_mode():
            views = torch.stack(list(batch)).to(device, memory_format=torch.channels_last)
            computed: np.ndarray = part(model, views).float().cpu().numpy()
        return computed

    def _load(self) -> Any:
        torch = require("torch", extra="starter")
        timm = require("timm", extra="starter", feature="the starter's image encoder")
        (file,) = self.weights.files
        state = torch.load(self.weights.find().path(file), map_location="cpu", weights_only=True)
        model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        try:
            model.load_state_dict(timm_names(state), strict=True)
        except RuntimeError as error:
            msg = f"{file} is not an EfficientNet-Lite0 checkpoint: {error}"
            raise WeightsError(msg) from error
        fold_norms(model.eval())
        return model.to(pick_device(self._device, extra="starter"), memory_format=torch.channels_last)


def scale_pixels(view: Any) -> Any:
    """Return the pixels of an RGB image as a scaled float32 tensor, channels first."""
    torch = require("torch", extra="starter")
    pixels = (np.asarray(view, dtype=np.float32) / 255.0 - MEAN) / STD
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def center_view(image: Any) -> Any:
    """Resize the short side of an image and crop the center, as the model was trained."""
    from PIL import Image

    scale = int(SIZE / CROP) / min(image.size)
    width, height = (max(SIZE, round(side * scale)) for side in image.size)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    return resized.crop((left, top, left + SIZE, top + SIZE))


def whole_view(image: Any) -> Any:
    """Resize the long side of an image and put it in the middle of a white square."""
    from PIL import Image

    scale = SIZE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = Image.new("RGB", (SIZE, SIZE), "white")
    square.paste(image.resize((width, height), Image.Resampling.BICUBIC), ((SIZE - width) // 2, (SIZE - height) // 2))
    return square


def has_plain_border(image: Any) -> bool:
    """Return whether nearly all pixels along the four sides of an RGB image have about one color."""
    from PIL import Image

    small = np.asarray(image.resize((BORDER_SIDE, BORDER_SIDE), Image.Resampling.BOX), np.int16)
    border = np.concatenate([small[0], small[-1], small[1:-1, 0], small[1:-1, -1]])
    far = np.abs(border - np.median(border, axis=0)).max(axis=1) > BORDER_LEVELS
    return bool(far.mean() <= BORDER_SHARE)


def fold_norms(model: Any) -> None:
    """Fold each batch norm of an evaluated model into the convolution before it; timm's norms keep their activation."""
    torch = require("torch", extra="starter")
    for parent in list(model.modules()):
        before: Any = None
        for name, child in list(parent.named_children()):
            if isinstance(before, torch.nn.Conv2d) and isinstance(child, torch.nn.BatchNorm2d):
                before.weight, before.bias = torch.nn.utils.fusion.fuse_conv_bn_weights(
                    before.weight,
                    before.bias,
                    child.running_mean,
                    child.running_var,
                    child.eps,
                    child.weight,
                    child.bias,
                )
                setattr(parent, name, child.act)
            before = child


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


def imagenet_labels() -> tuple[str, ...]:
    """Return the names of the 1,000 ImageNet classes (the first WordNet lemma of each), in the order of the logits."""
    data = require("timm.data", extra="starter")
    names = data.ImageNetInfo()
    return tuple(names.index_to_description(index).partition(",")[0] for index in range(1000))


def imagenet_definitions() -> tuple[str, ...]:
    """Return the names with WordNet's definitions, in the same order.

    Embedded in place of the bare names they raise recall of text to image, and separate `crane`, the bird, from the
    machine.
    """
    data = require("timm.data", extra="starter")
    names = data.ImageNetInfo()
    return tuple(names.index_to_description(index, detailed=True) for index in range(1000))
