"""Any image model of timm, from a hub id, a local folder or an architecture with a local checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.detection import BY_TIMM_CONFIG, Rule, has_config_keys
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backend_choice import BackendChoice
from senseweave.encoders.parts.image_model import ModelImage, TransformedModel
from senseweave.encoders.parts.towers import BATCH_IMAGES
from senseweave.encoders.runtime.backends.precision import Backend, Precision
from senseweave.encoders.runtime.checkpoint import Checkpoint, hash_file, resolve
from senseweave.encoders.runtime.torch_runtime import Lazy, pick_device, pick_dtype, to_device
from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require
from senseweave.media import Modality


@dataclass(frozen=True)
class TimmSource:
    """Where a timm model comes from: a folder with timm's config.json, or an architecture and a weight file.

    Attributes:
        name: What the user called it.
        checkpoint: The folder, or None.
        architecture: timm's name of the architecture, or None where the folder says it.
        weights: The weight file, or None where the folder holds it.
    """

    name: str
    checkpoint: Checkpoint | None = None
    architecture: str | None = None
    weights: Path | None = None

    def identity(self) -> dict[str, object]:
        """Return the checksums of the files that decide what is computed."""
        if self.checkpoint is not None:
            return self.checkpoint.identity()
        assert self.weights is not None
        return {"architecture": self.architecture, "sha256": hash_file(self.weights)}


def locate(name: str, *, revision: str | None = None) -> TimmSource:
    """Read `folder`, `owner/name`, `architecture.tag` (of timm's own hub) or `architecture//path/to/checkpoint`.

    Raises:
        ModelError: If there is no such folder, model or file.
    """
    architecture, slashes, path = name.partition("//")
    if slashes and architecture:
        weights = Path(path).expanduser()
        if not weights.is_file():
            msg = f"{name}: there is no file {path}; expected 'architecture//path/to/checkpoint'"
            raise ModelError(msg)
        return TimmSource(name, architecture=architecture, weights=weights)
    local = Path(name).expanduser().is_dir()
    hub_id = name if local or "/" in name or name.startswith((".", "~")) else f"timm/{name}"
    checkpoint = resolve(hub_id, revision=revision)
    if "architecture" not in checkpoint.json("config.json"):
        msg = f"{name} has no config.json that names a timm architecture; for a weight file, give 'architecture//path'"
        raise ModelError(msg)
    return TimmSource(name, checkpoint=checkpoint)


class TimmModel(TransformedModel):
    """A timm model, loaded when it is first used.

    Attributes:
        source: Where it comes from.
    """

    def __init__(
        self, source: TimmSource, *, device: str | None = None, dtype: str | None = None, extra: str = "image"
    ) -> None:
        """Describe the model; nothing is read before it is used."""
        self.source = source
        self._device = device
        self.dtype = dtype
        self._extra = extra
        self._model: Lazy[Any] = Lazy(self._load)
        self._transform: Lazy[Any] = Lazy(self._make_transform)
        self.parts = (self._model, self._transform)

    @property
    def dimension(self) -> int:
        """The length of the pooled features."""
        model = self._model()
        return int(getattr(model, "head_hidden_size", None) or model.num_features)

    @property
    def input_size(self) -> tuple[int, int, int]:
        """Channels, height and width that the model was trained on."""
        channels, height, width = self._model().pretrained_cfg["input_size"]
        return int(channels), int(height), int(width)

    @property
    def labels(self) -> Sequence[str]:
        """The names of the classes in the order of the logits.

        Raises:
            ModelError: If the model has no classes, or does not say what they are called.
        """
        model = self._model()
        names = model.pretrained_cfg.get("label_names")
        if names:
            described = model.pretrained_cfg.get("label_descriptions") or {}
            return [str(described.get(name, name)) if isinstance(described, Mapping) else str(name) for name in names]
        data = require("timm.data", extra=self._extra)
        subset = data.infer_imagenet_subset(model)
        if subset is None:
            msg = f"{self.source.name} has {model.num_classes} classes but does not say what they are called"
            raise ModelError(msg)
        info = data.ImageNetInfo(subset)
        return [info.index_to_description(index) for index in range(model.num_classes)]

    def features(self, pixels: Any) -> Any:
        """Compute the features before the classifier: `forward_head(..., pre_logits=True)`, as timm's cards do."""
        model = self._model()
        return model.forward_head(model.forward_features(self._on_device(pixels)), pre_logits=True)

    def logits(self, pixels: Any) -> Any:
        """Compute class scores before softmax."""
        return self._model()(self._on_device(pixels))

    def on_processor(self) -> TimmModel:
        """Return the same model once more, which is loaded on the CPU and in float32."""
        return TimmModel(self.source, device="cpu", extra=self._extra)

    def weights(self) -> Sequence[Path]:
        """Return the files that hold the weights."""
        if self.source.checkpoint is not None:
            return tuple(self.source.checkpoint.weights)
        assert self.source.weights is not None
        return (self.source.weights,)

    def identity(self) -> dict[str, object]:
        """Return weights, configuration and number type."""
        return {"library": "timm", **self.source.identity(), "dtype": self.dtype or "float32"}

    def _on_device(self, pixels: Any) -> Any:
        parameter = next(self._model().parameters())
        return to_device(pixels, parameter.device, parameter.dtype)

    def _make_transform(self) -> Any:
        data = require("timm.data", extra=self._extra, feature="preparing images for timm models")
        return data.create_transform(**data.resolve_model_data_config(self._model()), is_training=False)

    def _load(self) -> Any:
        timm = require("timm", extra=self._extra, feature="timm models")
        source = self.source
        try:
            if source.checkpoint is not None:
                model = timm.create_model(f"local-dir:{source.checkpoint.folder}", pretrained=True)
            else:
                model = timm.create_model(source.architecture, pretrained=False, checkpoint_path=str(source.weights))
        except RuntimeError as error:
            if "state_dict" not in str(error):
                msg = f"{source.name} is not a model that timm knows: {error}"
                raise ModelError(msg) from error
            msg = f"{source.name} lacks weights of its architecture: {error}"
            raise WeightsError(msg) from error
        except (OSError, KeyError, ValueError) as error:
            msg = f"{source.name} cannot be loaded by timm: {error}"
            raise ModelError(msg) from error
        return model.eval().to(pick_device(self._device, extra=self._extra), pick_dtype(self.dtype, extra=self._extra))


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    batch_images: int = BATCH_IMAGES,
    backend: Backend = "auto",
    precision: Precision = "fp32",
) -> dict[Modality, Encoder]:
    """Build the image encoder of a timm model.

    Args:
        name: A hub id (`timm/vit_small_patch14_dinov2.lvd142m`), a timm name with its tag, a local
            folder with timm's config.json, or `architecture//path/to/checkpoint`.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        batch_images: Images per batch.
        backend: What computes: `torch`, `onnx`, `openvino`, or `auto`, see `BackendChoice`.
        precision: `fp32`, `bf16` or `int8`.
    """
    choice = BackendChoice(backend, precision, device, dtype)
    model = TimmModel(locate(name, revision=revision), device=device, dtype=choice.torch_dtype)
    images = ModelImage(model, what={"family": "timm"}, extra="image", batch_images=batch_images)
    return choice.apply({"image": images})


FAMILY = Family(
    scheme="timm",
    build=build,
    modalities=("image",),
    extra="image",
    summary="any image model of timm, by name and tag, hub id, folder, or architecture and checkpoint file",
    examples=("timm/vit_small_patch14_dinov2.lvd142m", "timm:resnet18.a1_in1k", "timm:resnet18//path/to/checkpoint"),
    dimensions=(384, 512, 512),
    license="by model; some ImageNet weights are for research only",
    files=True,
    rules=(Rule(has_config_keys("architecture", "pretrained_cfg"), BY_TIMM_CONFIG),),
)
