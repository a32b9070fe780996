"""The text and the image side of models with two towers, such as CLIP and SigLIP."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from senseweave.display import printable
from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.parts.backbone import Backbone, image_processor, tokenizer
from senseweave.encoders.parts.graph_encoder import CheckpointSource
from senseweave.encoders.parts.graph_image import GraphImage, image_inputs
from senseweave.encoders.parts.graph_text import GraphText, text_inputs
from senseweave.encoders.parts.preparation import ImagePreparation
from senseweave.encoders.parts.prompts import Prompts
from senseweave.encoders.runtime.backends.export import Pipeline
from senseweave.encoders.runtime.backends.torch_padded import PRECISIONS
from senseweave.encoders.runtime.networks import choose_ways, sample_views
from senseweave.encoders.runtime.padding import SAMPLES, Batching, bucket, find_batching
from senseweave.encoders.runtime.tokenization import why_unread
from senseweave.encoders.runtime.torch_runtime import Lazy, is_half
from senseweave.extras import require
from senseweave.forking import Lock
from senseweave.media import Modality

Features = Callable[[Any, Mapping[str, Any]], Any]
"""Takes the model and a batch of tensors by name; gives vectors, shape (n, dimension)."""

NO_PROMPTS = Prompts("", "", "none")
BATCH_TOKENS = 2048
"""Padded tokens per batch of texts."""
BATCH_IMAGES = 16
"""Images per batch; more than 8 gain nothing on a CPU, and this keeps a small accelerator busy."""


def projected(method: str) -> Features:
    """Return the vectors of a `get_..._features` method of transformers, which returns them as `pooler_output`."""

    def features(model: Any, batch: Mapping[str, Any]) -> Any:
        output = getattr(model, method)(**batch)
        return getattr(output, "pooler_output", output)

    return features


class TowerText(CheckpointSource, Encoder):
    """Texts through the text tower of a shared model."""

    modality: ClassVar[Modality] = "text"
    graph_class = GraphText
    batch_budget: int

    def __init__(
        self,
        backbone: Backbone,
        *,
        dimension: Callable[[Any], int],
        features: Features,
        longest: Callable[[Any], int],
        max_length: int | None = None,
        usual_length: int | None = None,
        fixed_length: bool = False,
        batch_tokens: int = BATCH_TOKENS,
        scale: str = "logit_scale",
        prompts: Prompts = NO_PROMPTS,
    ) -> None:
        """Describe the text side.

        Args:
            backbone: The model.
            dimension: Reads the vectors' length from its configuration.
            features: Computes them.
            longest: Reads from the configuration how many tokens the tower can take.
            max_length: Tokens that are read, special tokens included; the usual length, or what the tower takes.
            usual_length: Tokens that the authors read of a text, where they are fewer than the tower can take.
            fixed_length: Every text is padded to `max_length` and no mask is given, as the model was trained.
            batch_tokens: Padded tokens per batch.
            scale: Name of the model's parameter that holds the logarithm of the logit scale.
            prompts: Put before texts, by role.
        """
        self.backbone = backbone
        self.checkpoint = backbone.checkpoint
        self._scale = scale
        self.prompts = prompts
        self.fixed_length = fixed_length
        self.batch_budget = batch_tokens
        self._dimension = dimension
        self._features = features
        self._longest = longest
        self._max_length = max_length
        self._usual_length = usual_length
        self._tokenizer: Lazy[Any] = Lazy(self._load_tokenizer)
        self._batching: Lazy[Batching] = Lazy(self._find_batching)
        self.parts = (self._tokenizer, backbone, self._batching)
        self._tokenizing = Lock()

    @property
    def dimension(self) -> int:
        """The length of the projection that both towers share."""
        return self._dimension(self.backbone.config)

    @property
    def max_length(self) -> int:
        """The number of tokens that are read.

        Raises:
            ValueError: If `max_length` is more than the tower can take.
        """
        return self.tokens_read(*self._limits())

    def tokens_read(self, limit: int | None, positions: int | None) -> int:
        """Return the number of tokens that are read where the tower has this usual limit and these positions.

        Raises:
            ValueError: If `max_length` is more than the tower can take.
        """
        assert limit is not None
        assert positions is not None
        if self._max_length is not None and self._max_length > positions:
            name = printable(self.backbone.checkpoint.name)
            msg = f"{name} reads at most {positions} tokens; max_length={self._max_length} is more"
            raise ValueError(msg)
        return self._max_length or limit

    def _limits(self) -> tuple[int, int]:
        longest = self._longest(self.backbone.config)
        return min(self._usual_length or longest, longest), longest

    @property
    def logit_scale(self) -> float | None:
        """The factor that the authors multiply cosines by before a softmax or sigmoid over labels, if there is any."""
        return scalar(getattr(self.backbone(), self._scale, None), exponential=True)

    @property
    def logit_bias(self) -> float | None:
        """The bias that models trained with a sigmoid (SigLIP) add to the scaled cosines."""
        return scalar(getattr(self.backbone(), "logit_bias", None))

    @property
    def dtype(self) -> str | None:
        """The number type that was asked for."""
        return self.backbone.dtype

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Tokenize without padding, counting what truncation removes."""
        prompt = self.prompts.get(role)
        prepared = self._tokenize([prompt + text for text in items], self.max_length)
        batching = self._batching()
        for item in prepared:
            item.bucket = bucket(batching, item.cost)
        return prepared

    def _load_tokenizer(self) -> Any:
        loaded = tokenizer(self.backbone.checkpoint, self.backbone.extra)
        if not self.fixed_length:  # positions count from 0 whatever the batch; a tower without a mask sees the padding
            loaded.padding_side = "right"
        return loaded

    def _tokenize(self, items: Sequence[str], limit: int | None) -> list[Prepared]:
        tokenize = self._tokenizer()
        prepared = []
        with self._tokenizing:  # a fast tokenizer keeps its truncation as state
            encoded = tokenize(list(items), padding=False, truncation=False, verbose=False)
            for index, ids in enumerate(encoded["input_ids"]):
                features = {name: encoded[name][index] for name in encoded}
                dropped = 0 if limit is None else max(0, len(ids) - limit)
                if dropped:
                    features = dict(tokenize(items[index], padding=False, truncation=True, max_length=limit))
                cost = limit if limit is not None and self.fixed_length else len(features["input_ids"])
                error = why_unread(len(features["input_ids"]), dropped, limit, tokenize.num_special_tokens_to_add)
                prepared.append(Prepared(features, cost=cost, dropped=dropped, error=error))
        return prepared

    def load(self) -> None:
        """Load the model, and find out how its text tower computes fastest."""
        super().load()
        self._choose_ways()

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Pad as the model was trained, and compute the projected vectors in float32."""
        self._choose_ways()
        return Encoded(self._compute(self.backbone, [text.data for text in batch]))

    def _compute(self, backbone: Backbone, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
        tokenize = self._tokenizer()
        with self._tokenizing:
            if self.fixed_length:
                padded = tokenize.pad(list(rows), padding="max_length", max_length=self.max_length, return_tensors="pt")
                padded = {"input_ids": padded["input_ids"]}
            else:
                padded = tokenize.pad(list(rows), padding=True, return_tensors="pt")
        tensors = {name: backbone.to_device(tensor) for name, tensor in padded.items()}
        with backbone.inference():
            vectors: np.ndarray = self._features(backbone(), tensors).float().cpu().numpy()
        return vectors

    def _choose_ways(self) -> tuple[str, ...]:
        compute = functools.partial(self._compute, self.backbone)
        return choose_ways(self.checkpoint.name, self.backbone(), self._samples, compute, part="text")

    def _samples(self) -> list[Any]:
        return [text.data for text in self._tokenize(SAMPLES, self.max_length)]

    def _find_batching(self) -> Batching:
        """Return which texts may share a batch; texts of one length are never padded to another."""
        if self.fixed_length:
            return "any"
        name, half = self.backbone.checkpoint.name, is_half(self.backbone.dtype)
        return find_batching(
            name, lambda batch: self.forward(batch).vectors, self._tokenize(SAMPLES, self.max_length), half=half
        )

    def identity(self) -> Mapping[str, object]:
        """Return model, length and padding."""
        return self.identity_at(self.max_length)

    def identity_at(self, max_length: int | None) -> Mapping[str, object]:
        """Return the identity if this many tokens are read."""
        return {
            "tower": "text",
            "model": self.backbone.identity(),
            "max_length": max_length,
            "fixed_length": self.fixed_length,
            **({"prompts": self.prompts.identity()} if self.prompts.source != "none" else {}),
        }

    def describe_backend(self) -> Mapping[str, object]:
        """Return device and number type, and how the tower was made faster, see `runtime.networks`."""
        described = {"backend": "torch", **describe_torch(self.backbone()), "texts": "padded"}
        return {**described, "network": list(self._choose_ways())}

    def role_prompt(self, role: Role) -> str:
        """Return what is put before the texts of a role."""
        return self.prompts.get(role)

    def graph_options(self) -> dict[str, object]:
        """Return what decides the graph of the tower beside its files."""
        return {"tower": "text", "class": self.backbone.class_name, "fixed_length": self.fixed_length}

    def graph_content(self) -> Mapping[str, object]:
        """Return the checksums of the model's files."""
        return self.backbone.checkpoint.identity()

    def pipeline(self) -> Pipeline:
        """Load the model once more, as a module from tokens to vectors."""
        name, backbone, (limit, positions) = self.checkpoint.name, self.backbone.on_processor(), self._limits()
        inputs = text_inputs(name, self._tokenizer(), self._tokenize, limit, positions, fixed=self.fixed_length)
        model = backbone()
        facts = {
            "logit_scale": scalar(getattr(model, self._scale, None), exponential=True),
            "logit_bias": scalar(getattr(model, "logit_bias", None)),
        }
        module = features_module(model, self._features, tuple(inputs.growing))
        return Pipeline(name, module, inputs, lambda items: self._compute(backbone, items), facts)


class TowerImage(CheckpointSource, Encoder):
    """Images through the image tower of a shared model, or through a model that has nothing else."""

    modality: ClassVar[Modality] = "image"
    graph_class = GraphImage
    batch_budget: int

    def __init__(
        self,
        backbone: Backbone,
        *,
        dimension: Callable[[Any], int],
        features: Features,
        batch_images: int = BATCH_IMAGES,
        what: Mapping[str, object] | None = None,
    ) -> None:
        """Describe the image side.

        Args:
            backbone: The model.
            dimension: Reads the vectors' length from its configuration.
            features: Computes them from `pixel_values` and whatever else the model's image processor returns.
            batch_images: Images per batch.
            what: Of the vectors' meaning, what neither weights nor configuration say, for the fingerprint.
        """
        self.backbone = backbone
        self.checkpoint = backbone.checkpoint
        self.batch_budget = batch_images
        self._dimension = dimension
        self._features = features
        self._what = dict(what or {})
        self._preparation: Lazy[ImagePreparation] = Lazy(
            lambda: ImagePreparation(image_processor(backbone.checkpoint, backbone.extra))
        )
        self.parts = (self._preparation, backbone)

    @property
    def dimension(self) -> int:
        """The length of the vectors."""
        return self._dimension(self.backbone.config)

    @property
    def image_side(self) -> int | None:
        """What the image processor says."""
        return self._preparation().side

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Resize, crop and scale by the model's own image processor, one image at a time."""
        preparation = self._preparation()
        prepared = []
        for image in items:
            inputs = preparation.image(image)
            shapes = tuple(array.shape for array in inputs.values())
            prepared.append(Prepared(inputs, bucket=shapes))
        return prepared

    def load(self) -> None:
        """Load the model, and find out how it computes fastest."""
        super().load()
        self._choose_ways()

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors in float32."""
        self._choose_ways()
        return Encoded(self._compute(self.backbone, [image.data for image in batch]))

    def describe_backend(self) -> Mapping[str, object]:
        """Return how the network was made faster, see `senseweave.encoders.runtime.networks`."""
        ways = list(self._choose_ways())
        return {"backend": "torch", **describe_torch(self.backbone()), "network": ways}

    @property
    def dtype(self) -> str | None:
        """The number type that was asked for."""
        return self.backbone.dtype

    def graph_options(self) -> dict[str, object]:
        """Return what decides the graph of the tower beside its files."""
        return {"tower": "image", "class": self.backbone.class_name, **self._what}

    def graph_content(self) -> Mapping[str, object]:
        """Return the checksums of the model's files."""
        return self.backbone.checkpoint.identity()

    def pipeline(self) -> Pipeline:
        """Load the model once more, as a module from pixels to vectors.

        Raises:
            ModelError: If its images cannot be prepared without transformers.
        """
        name, backbone = self.checkpoint.name, self.backbone.on_processor()
        preparation = self._preparation()
        inputs = image_inputs(name, preparation.quick, preparation.side)

        def reference(items: Sequence[np.ndarray]) -> np.ndarray:
            return self._compute(backbone, [{"pixel_values": pixels} for pixels in items])

        return Pipeline(name, features_module(backbone(), self._features, ("pixel_values",)), inputs, reference)

    def _choose_ways(self) -> tuple[str, ...]:
        samples = sample_views(lambda picture: [self._preparation().image(picture)])
        compute = functools.partial(self._compute, self.backbone)
        return choose_ways(self.checkpoint.name, self.backbone(), samples, compute)

    def _compute(self, backbone: Backbone, batch: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
        torch = require("torch", extra=backbone.extra)
        tensors = {
            name: backbone.to_device(torch.from_numpy(np.stack([image[name] for image in batch]))) for name in batch[0]
        }
        with backbone.inference():
            vectors: np.ndarray = self._features(backbone(), tensors).float().cpu().numpy()
        return vectors

    def identity(self) -> Mapping[str, object]:
        """Return model and pooling; the preprocessing is in the checkpoint's own files."""
        return {"tower": "image", "model": self.backbone.identity(), **self._what}


def features_module(model: Any, features: Features, names: Sequence[str]) -> Any:
    """Return a module that computes vectors from tensors, given in the order of their names; for an exporter."""
    torch = require("torch", extra="image")

    class Tower(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, first: Any, second: Any = None) -> Any:
            return features(self.model, dict(zip(names, (first, second), strict=False)))

    return Tower().eval()


def describe_torch(model: Any) -> dict[str, object]:
    """Return the device and the precision of a model of torch."""
    dtype = str(model.dtype).removeprefix("torch.")
    return {"device": str(model.device), "precision": PRECISIONS.get(dtype, dtype)}


def scalar(parameter: Any, *, exponential: bool = False) -> float | None:
    """Return a parameter of one element as a float, through exp if it is stored as a logarithm; None for None."""
    if parameter is None:
        return None
    value = parameter.detach().float()
    return float((value.exp() if exponential else value).reshape(-1)[0])
