"""open_clip's models, by architecture and tag, architecture and checkpoint file, hub id or local folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.detection import BY_OPEN_CLIP_CONFIG, Rule, has_file
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backend_choice import BackendChoice
from senseweave.encoders.parts.image_model import ModelImage, TransformedModel
from senseweave.encoders.parts.towers import BATCH_IMAGES, scalar
from senseweave.encoders.runtime.backends.precision import Backend, Precision
from senseweave.encoders.runtime.checkpoint import NO_HUB, Checkpoint, hash_file, resolve
from senseweave.encoders.runtime.networks import choose_ways
from senseweave.encoders.runtime.padding import SAMPLES
from senseweave.encoders.runtime.torch_runtime import Lazy, pick_device, to_device
from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require
from senseweave.media import Modality

BATCH_TEXTS = 32
PRECISIONS = {"float32": "fp32", "bfloat16": "pure_bf16", "float16": "pure_fp16"}


@dataclass(frozen=True)
class OpenClipSource:
    """Where an open_clip model comes from.

    Attributes:
        name: What the user called it.
        architecture: open_clip's name of the architecture, or `local-dir:...`.
        pretrained: A tag or the path of a checkpoint, or None where the folder holds it.
        checkpoint: The folder, or None.
    """

    name: str
    architecture: str
    pretrained: str | None = None
    checkpoint: Checkpoint | None = None

    def identity(self) -> dict[str, object]:
        """Return the checksums of weights in files, else the tag that names them."""
        if self.checkpoint is not None:
            return self.checkpoint.identity()
        assert self.pretrained is not None
        path = Path(self.pretrained)
        weights = hash_file(path) if path.is_file() else self.pretrained
        return {"architecture": self.architecture, "weights": weights}


def locate(name: str, *, revision: str | None = None) -> OpenClipSource:
    """Read `architecture/tag`, `architecture//path/to/checkpoint`, or a folder or hub id with its config.

    Raises:
        ModelError: If there is no such architecture, tag, folder or file.
    """
    library = require("open_clip", extra="openclip")
    architecture, slashes, path = name.partition("//")
    known = set(library.list_models())
    if slashes and architecture:
        if architecture not in known:
            msg = f"{name}: open_clip has no architecture {architecture!r}"
            raise ModelError(msg)
        if not Path(path).expanduser().is_file():
            msg = f"{name}: there is no file {path}; expected 'architecture//path/to/checkpoint'"
            raise ModelError(msg)
        return OpenClipSource(name, architecture, str(Path(path).expanduser()))
    architecture, _, tag = name.partition("/")
    if architecture in known and not Path(name).is_dir():
        tags = library.list_pretrained_tags_by_model(architecture)
        if tag not in tags:
            listed = ", ".join(tags) or "none"
            msg = f"{name}: open_clip's {architecture} has the tags {listed}; or give '{architecture}//path'"
            raise ModelError(msg)
        if revision is not None:
            msg = f"{name}: a tag names its weights; leave revision={revision!r} out"
            raise ModelError(msg)
        return OpenClipSource(name, architecture, tag)
    checkpoint = resolve(name, revision=revision)
    if "model_cfg" not in checkpoint.json("open_clip_config.json"):
        msg = f"{name} has no open_clip_config.json with a model_cfg; it is not an open_clip model"
        raise ModelError(msg)
    return OpenClipSource(name, f"local-dir:{checkpoint.folder}", checkpoint=checkpoint)


class OpenClipModel(TransformedModel):
    """An open_clip model with its tokenizer and image transform, loaded when it is first used."""

    def __init__(self, source: OpenClipSource, *, device: str | None = None, dtype: str | None = None) -> None:
        """Describe the model; nothing is read before it is used."""
        if dtype is not None and dtype not in PRECISIONS:
            msg = f"dtype must be one of {', '.join(PRECISIONS)}, not {dtype!r}"
            raise ValueError(msg)
        self.source = source
        self._device = device
        self.dtype = dtype
        self._model: Lazy[Any] = Lazy(self._load)
        self.tokenizer: Lazy[Any] = Lazy(self._load_tokenizer)
        self._transform: Lazy[Any] = Lazy(self._make_transform)
        self._dimension: Lazy[int] = Lazy(self._read_dimension)
        self.parts = (self._dimension, self._model, self.tokenizer, self._transform)

    def __call__(self) -> Any:
        """Return the model in eval mode, loading it if needed."""
        return self._model()

    @property
    def dimension(self) -> int:
        """The length of the vectors that both towers share."""
        return self._dimension()

    def features(self, pixels: Any) -> Any:
        """Return the vectors of the image tower."""
        model = self._model()
        parameter = next(model.parameters())
        return model.encode_image(to_device(pixels, parameter.device, parameter.dtype))

    def on_processor(self) -> OpenClipModel:
        """Return the same model once more, which is loaded on the CPU and in float32."""
        return OpenClipModel(self.source, device="cpu")

    def weights(self) -> Sequence[Path]:
        """Return the files that hold the weights; none where a tag names them."""
        source = self.source
        if source.checkpoint is not None:
            return tuple(source.checkpoint.weights)
        return [path for path in (Path(source.pretrained or ""),) if path.is_file()]

    def identity(self) -> dict[str, object]:
        """Return weights and number type."""
        return {"library": "open_clip", **self.source.identity(), "dtype": self.dtype or "float32"}

    def _load(self) -> Any:
        library = require("open_clip", extra="openclip")
        source = self.source
        quick = bool((library.get_pretrained_cfg(source.architecture, source.pretrained) or {}).get("quick_gelu"))
        try:
            model = library.create_model(
                source.architecture,
                pretrained=source.pretrained,
                precision=PRECISIONS[self.dtype or "float32"],
                device=pick_device(self._device, extra="openclip"),
                # A tag knows which activation its weights were trained with; the architecture of that name may not.
                force_quick_gelu=quick,
                pretrained_text=False,
                require_pretrained=True,
                weights_only=True,
            )
        except RuntimeError as error:
            if "Failed to download" in str(error):
                raise ModelError(_not_reached(source.name, "weights")) from error
            if "state_dict" not in str(error):
                msg = f"{source.name} cannot be loaded by open_clip: {error}"
                raise ModelError(msg) from error
            msg = f"{source.name} lacks weights of its architecture: {error}"
            raise WeightsError(msg) from error
        except (OSError, ValueError, KeyError) as error:
            msg = f"{source.name} cannot be loaded by open_clip: {error}"
            raise ModelError(msg) from error
        return model.eval()

    def _read_dimension(self) -> int:
        library = require("open_clip", extra="openclip")
        return int(library.get_model_config(self.source.architecture)["embed_dim"])

    def _load_tokenizer(self) -> Any:
        library = require("open_clip", extra="openclip")
        try:
            return library.get_tokenizer(self.source.architecture)
        except OSError as error:  # those of SigLIP and others are files on the hub
            raise ModelError(_not_reached(self.source.name, "files of the tokenizer")) from error

    def _make_transform(self) -> Any:
        library = require("open_clip", extra="openclip")
        preprocess = library.get_model_preprocess_cfg(self._model())
        return library.transform.image_transform_v2(library.transform.PreprocessCfg(**preprocess), is_train=False)


class OpenClipText(Encoder):
    """Texts through an open_clip model's text tower, each padded to the tower's context, as open_clip does."""

    modality: ClassVar[Modality] = "text"

    def __init__(self, model: OpenClipModel, *, batch_texts: int = BATCH_TEXTS) -> None:
        """Describe the text side."""
        self.model = model
        self.parts = (model,)
        self._batch_texts = batch_texts

    @property
    def dimension(self) -> int:
        """The length of the vectors that both towers share."""
        return self.model.dimension

    @property
    def max_length(self) -> int:
        """The tower's context, special tokens included."""
        return int(self.model.tokenizer().context_length)

    @property
    def batch_budget(self) -> int:
        """The number of texts in a batch; all are padded to the same length."""
        return self._batch_texts

    @property
    def logit_scale(self) -> float | None:
        """The factor that cosines are multiplied by before a softmax or sigmoid over labels."""
        return scalar(getattr(self.model(), "logit_scale", None), exponential=True)

    @property
    def logit_bias(self) -> float | None:
        """The bias that models trained with a sigmoid (SigLIP) add to the scaled cosines."""
        return scalar(getattr(self.model(), "logit_bias", None))

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Tokenize, counting what truncation removes."""
        tokenize = self.model.tokenizer()
        rows = tokenize(list(items)).numpy()
        limit = self.max_length
        return [
            Prepared(row, dropped=max(0, full_length(tokenize, text) - limit))
            for row, text in zip(rows, items, strict=True)
        ]

    def load(self) -> None:
        """Load the model, and find out how its text tower computes fastest."""
        super().load()
        self._choose_ways()

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the text features in float32."""
        self._choose_ways()
        return Encoded(self._compute(batch))

    def _choose_ways(self) -> None:
        samples = partial(self.prepare, SAMPLES, "document")
        choose_ways(self.model.name, self.model(), samples, self._compute, part="text")

    def _compute(self, batch: Sequence[Prepared]) -> np.ndarray:
        torch = require("torch", extra="openclip")
        model = self.model()
        tokens = to_device(torch.from_numpy(np.stack([item.data for item in batch])), next(model.parameters()).device)
        with torch.inference_mode():
            vectors: np.ndarray = model.encode_text(tokens).float().cpu().numpy()
        return vectors

    def identity(self) -> Mapping[str, object]:
        """Return the tower and the identity of the model."""
        return {"tower": "text", "model": self.model.identity()}


def _not_reached(name: str, files: str) -> str:
    """Return what is said where open_clip could not download files of a model."""
    return f"the {files} of {name} are not in the local cache, {NO_HUB}"


def full_length(tokenizer: Any, text: str) -> int:
    """Return the number of tokens before truncation, special tokens included, for both kinds of tokenizers."""
    wrapped = getattr(tokenizer, "tokenizer", None)
    if callable(wrapped):  # open_clip's wrapper of a transformers tokenizer, or of T5's for SigLIP
        clean = getattr(tokenizer, "clean_fn", str)
        return len(wrapped(clean(text), truncation=False, verbose=False)["input_ids"])
    return len(tokenizer.encode(text)) + 2


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    batch_texts: int = BATCH_TEXTS,
    batch_images: int = BATCH_IMAGES,
    backend: Backend = "auto",
    precision: Precision = "fp32",
) -> dict[Modality, Encoder]:
    """Build the text and image encoders of an open_clip model, over one model in memory.

    Args:
        name: `ViT-B-32/laion2b_s34b_b79k` (architecture and tag), `ViT-B-32//path/to/checkpoint`, a local
            folder or a hub id with an open_clip_config.json.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        batch_texts: Texts per batch.
        batch_images: Images per batch.
        backend: What computes images: `torch`, `onnx`, `openvino`, or `auto`, see `BackendChoice`. Texts are computed
            by torch in any case, because only open_clip knows how to tokenize them.
        precision: `fp32`, `bf16` or `int8`; of texts, what torch has of these.
    """
    choice = BackendChoice(backend, precision, device, dtype)
    model = OpenClipModel(locate(name, revision=revision), device=device, dtype=choice.torch_dtype)
    images = ModelImage(model, what={"tower": "image"}, extra="openclip", batch_images=batch_images)
    return {"text": OpenClipText(model, batch_texts=batch_texts), **choice.apply({"image": images})}


FAMILY = Family(
    scheme="open_clip",
    build=build,
    modalities=("text", "image"),
    extra="openclip",
    summary="any model of open_clip, by architecture and tag, architecture and checkpoint file, hub id or folder",
    examples=("open_clip:ViT-B-32/laion2b_s34b_b79k", "open_clip:ViT-B-32//path/to/checkpoint.safetensors"),
    dimensions=(512, 512),
    license="by checkpoint; MIT for LAION's",
    files=True,
    rules=(Rule(has_file("open_clip_config.json"), BY_OPEN_CLIP_CONFIG),),
)
