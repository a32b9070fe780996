"""One transformers model, loaded when it is first used, that the encoders of a space share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from senseweave.display import printable
from senseweave.encoders.runtime.checkpoint import Checkpoint, from_pretrained
from senseweave.encoders.runtime.tokenization import require_vocabulary
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable, pick_device, pick_dtype, to_device
from senseweave.errors import ModelError
from senseweave.extras import require


class Backbone(Loadable):
    """A model with its configuration, on one device and in one number type.

    Attributes:
        checkpoint: Where its files are.
        extra: The extra of senseweave that installs what it needs.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        class_name: str,
        *,
        extra: str,
        device: str | None = None,
        dtype: str | None = None,
        unused: tuple[str, ...] = (),
        part: Callable[[Any], Any] | None = None,
        arguments: Mapping[str, object] | None = None,
    ) -> None:
        """Describe the model; nothing is read before it is used.

        Args:
            checkpoint: A folder with config and weights.
            class_name: Name of the class in transformers, for example `CLIPModel`.
            extra: The extra of senseweave that installs what it needs.
            device: torch device; the best there is if None.
            dtype: `float32`, `bfloat16` or `float16`.
            unused: Prefixes of parameters that may be missing, because the encoder does not use them.
            part: Takes from the loaded model the part that is kept, for example its encoder.
            arguments: Of the class, beside its configuration.
        """
        self.checkpoint = checkpoint
        self.extra = extra
        self._class_name = class_name
        self._device = device
        self.dtype = dtype
        self._unused = unused
        self._part = part
        self._arguments = dict(arguments or {})
        self._model: Lazy[Any] = Lazy(self._load)
        self._config: Lazy[Any] = Lazy(self._load_config)
        self.parts = (self._config, self._model)

    def __call__(self) -> Any:
        """Return the model in eval mode, loading it if needed."""
        return self._model()

    def on_processor(self) -> Backbone:
        """Return the same model once more, which is loaded on the CPU, in float32 and as its authors wrote it."""
        return Backbone(
            self.checkpoint,
            self._class_name,
            extra=self.extra,
            device="cpu",
            unused=self._unused,
            part=self._part,
            arguments=self._arguments,
        )

    @property
    def class_name(self) -> str:
        """The name of the class in transformers."""
        return self._class_name

    @property
    def config(self) -> Any:
        """The model's configuration with its defaults filled in."""
        return self._config()

    def inference(self) -> AbstractContextManager[Any]:
        """Return the context to compute in: it keeps no gradients."""
        return require("torch", extra=self.extra).inference_mode()  # type: ignore[no-any-return]

    def to_device(self, tensor: Any) -> Any:
        """Move a tensor to the model's device, and a floating-point tensor to its number type, see `to_device`."""
        model = self._model()
        return to_device(tensor.to(model.dtype) if tensor.is_floating_point() else tensor, model.device)

    def identity(self) -> dict[str, object]:
        """Return the checksums of the files, the class and the number type."""
        return {
            "class": self._class_name,
            "checkpoint": self.checkpoint.identity(),
            "dtype": self.dtype or "float32",
        }

    def _load_config(self) -> Any:
        transformers = require("transformers", extra=self.extra)
        return transformers.AutoConfig.from_pretrained(str(self.checkpoint.folder), local_files_only=True)

    def _model_class(self) -> Any:
        return transformers_class(self._class_name, self.checkpoint, self.extra)

    def _load(self) -> Any:
        model = from_pretrained(
            self._model_class(),
            self.checkpoint,
            unused=self._unused,
            dtype=pick_dtype(self.dtype),
            **self._arguments,
        )
        kept = model if self._part is None else self._part(model)
        return kept.to(pick_device(self._device))


def transformers_class(name: str, checkpoint: Checkpoint, extra: str) -> Any:
    """Return a class of transformers by its name.

    Raises:
        ImportError: If it does not import, for example because torchvision was built for another torch: transformers
            looks for torchvision and torchaudio, and stops where either is broken.
    """
    transformers = require("transformers", extra=extra)
    try:
        return getattr(transformers, name)
    except Exception as error:
        shown = printable(checkpoint.name)
        msg = (
            f"{shown} needs {name} of transformers, which does not import here ({error}); most often "
            f'torchvision or torchaudio was built for another torch; try: pip install "senseweave[{extra}]"'
        )
        raise ImportError(msg) from error


def model_type(checkpoint: Checkpoint) -> str:
    """Return the `model_type` of a checkpoint's config.json.

    Raises:
        ModelError: If it has none.
    """
    kind = checkpoint.json("config.json").get("model_type")
    if not isinstance(kind, str):
        msg = f"{checkpoint.name} has no config.json that names a model_type; it is not a transformers checkpoint"
        raise ModelError(msg)
    return kind


def class_for(checkpoint: Checkpoint, classes: Mapping[str, str], family: str) -> str:
    """Return the transformers class that loads a checkpoint, from a table by `model_type`.

    Raises:
        ModelError: If the checkpoint is of another family; the message names the types that the family has.
    """
    kind = model_type(checkpoint)
    if kind not in classes:
        msg = f"{checkpoint.name} is a {kind!r} model; the family {family!r} loads {', '.join(classes)}"
        raise ModelError(msg)
    return classes[kind]


def image_processor(checkpoint: Checkpoint, extra: str) -> Any:
    """Load the image processor of a checkpoint, on Pillow.

    Models were trained with the Pillow backend, which needs no torchvision; resizing by torchvision
    gives slightly other pixels.

    Raises:
        ModelError: If the checkpoint does not say how images are prepared for it.
    """
    return _processor("AutoImageProcessor", checkpoint, extra, "images", backend="pil")


def feature_extractor(checkpoint: Checkpoint, extra: str) -> Any:
    """Load the feature extractor of an audio checkpoint; no tokenizer is needed.

    Raises:
        ModelError: If the checkpoint does not say how sound is prepared for it.
    """
    return _processor("AutoFeatureExtractor", checkpoint, extra, "sound")


def video_processor(checkpoint: Checkpoint, extra: str) -> Any:
    """Load the video processor of a checkpoint.

    Raises:
        ModelError: If the checkpoint does not say how video is prepared for it.
    """
    return _processor("AutoVideoProcessor", checkpoint, extra, "video")


def tokenizer(checkpoint: Checkpoint, extra: str) -> Any:
    """Load the tokenizer of a checkpoint.

    Raises:
        ModelError: If the checkpoint has none, or its vocabulary is missing.
    """
    loaded = _processor("AutoTokenizer", checkpoint, extra, "text")
    require_vocabulary(checkpoint.name, loaded)
    return loaded


def _processor(class_name: str, checkpoint: Checkpoint, extra: str, what: str, **options: Any) -> Any:
    loader = transformers_class(class_name, checkpoint, extra)
    try:
        return loader.from_pretrained(str(checkpoint.folder), local_files_only=True, **options)
    except (OSError, ValueError, KeyError) as error:
        msg = f"{checkpoint.name} does not say how {what} must be prepared for it (no file for {class_name}): {error}"
        raise ModelError(msg) from error
