"""Sentence text: models saved by sentence-transformers, run module by module over our own batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from senseweave.encoders.base import ROLES, Encoded, Encoder, Prepared, Role, Similarity
from senseweave.encoders.detection import BY_TEXT_MODULES, Rule, Signs, read_signs
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backend_choice import BackendChoice
from senseweave.encoders.parts.graph_encoder import CheckpointSource
from senseweave.encoders.parts.graph_text import GraphText
from senseweave.encoders.parts.prompts import find_tasks
from senseweave.encoders.parts.saved_settings import SavedSettings, read_settings
from senseweave.encoders.parts.sentence_folders import PATTERNS, files_identity, folder_prompts, read_dimension
from senseweave.encoders.parts.sentence_modules import load_modules
from senseweave.encoders.parts.sentence_states import LoadedModules
from senseweave.encoders.refusals import check_sentence_encoder
from senseweave.encoders.runtime.adapters import adapter_identity, apply_adapter, find_adapter
from senseweave.encoders.runtime.backends.export import Pipeline
from senseweave.encoders.runtime.backends.precision import Backend, Precision
from senseweave.encoders.runtime.backends.torch_padded import PRECISIONS
from senseweave.encoders.runtime.checkpoint import Checkpoint, resolve
from senseweave.encoders.runtime.padding import (
    BATCHINGS,
    DEFAULT_BATCH_TOKENS,
    SAMPLES,
    Batching,
    bucket,
    find_batching,
)
from senseweave.encoders.runtime.tokenization import least
from senseweave.encoders.runtime.torch_runtime import Lazy, is_half
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Modality


class SentenceText(CheckpointSource, Encoder):
    """A `SentenceTransformer` whose modules compute, and whose own `encode` never receives a string.

    sentence-transformers 6.2 takes a string that names an image file or looks like a URL for an image, and opens it.
    Here strings are tokenized before its modules see them, or marked as text where a model has its own way.
    """

    modality: ClassVar[Modality] = "text"
    graph_class = GraphText
    batch_budget: int

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str | None = None,
        dtype: str | None = None,
        max_length: int | None = None,
        batch_tokens: int = DEFAULT_BATCH_TOKENS,
        prompts: Mapping[str, str] | None = None,
        trust_remote_code: bool = False,
        adapter: str | None = None,
    ) -> None:
        """Describe the encoder; the model is loaded when it is first used.

        Args:
            checkpoint: A folder with `modules.json`, or of transformers, which is then pooled as the library does.
            device: torch device; the best there is if None.
            dtype: `float32`, `bfloat16` or `float16`; vectors come out as float32 in any case.
            max_length: Tokens that are read, prompt and special tokens included; what the model was saved with if None.
            batch_tokens: Padded tokens per batch.
            prompts: Text put before queries and documents, by role; the model's own, or the registry's, if None.
            trust_remote_code: Whether Python files of the checkpoint may be run.
            adapter: Folder or hub id of a LoRA adapter of the first module, which is merged into its weights.

        Raises:
            ModelError: If the checkpoint makes no vectors of sentences.

        Warns:
            PromptWarning: If the model looks as if it needed prompts and none are known.
        """
        signs = read_signs(checkpoint.name, checkpoint.folder)
        check_sentence_encoder(signs, named=True, adapter=adapter is not None)
        self.checkpoint = checkpoint
        self.adapter = find_adapter(adapter)
        self.batch_budget = batch_tokens
        self.prompts = folder_prompts(checkpoint, prompts)
        self._tasks = find_tasks(checkpoint.name)
        self._device = device
        self.dtype = dtype
        self._max_length = max_length
        self._trust_remote_code = trust_remote_code
        self._loaded: Lazy[LoadedModules] = Lazy(self._load)
        self._batching: Lazy[Batching] = Lazy(self._find_batching)
        self.parts = (self._loaded, self._batching)

    @cached_property
    def _saved(self) -> SavedSettings:
        return read_settings(self.checkpoint)

    @property
    def similarity(self) -> Similarity:
        """What the folder was saved with."""
        return self._saved.similarity

    @property
    def usual_dimensions(self) -> int | None:
        """The folder's `truncate_dim`."""
        return self._saved.dimensions

    @property
    def layer_norm_before_cut(self) -> bool:
        """Whether the model's card norms vectors before it cuts them."""
        return self._saved.layer_norm

    @cached_property
    def _own_dimension(self) -> int:
        dimension = read_dimension(self.checkpoint)
        return dimension if dimension is not None else int(self._loaded().model.get_embedding_dimension())

    @property
    def dimension(self) -> int:
        """The length of the vectors that the last module makes."""
        return self._own_dimension

    @property
    def max_length(self) -> int | None:
        """The number of tokens that are read: `max_length`, else the limit that the model was saved with."""
        return self._loaded().limit(self._max_length)

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Tokenize with the prompt of the role, counting what truncation removes."""
        prepared = self._tokenize(items, role)
        batching = self._batching()
        if batching == "equal" and (self._loaded().tokenizer is None or self._loaded().routed):
            batching = "alone"  # its tokens cannot be counted, or are those of another route
        for item in prepared:
            item.bucket = role, bucket(batching, item.cost)
        return prepared

    def _tokenize(self, items: Sequence[str], role: Role) -> list[Prepared]:
        loaded = self._loaded()
        prompt = self.prompts.get(role)
        texts = [prompt + text for text in items]
        if loaded.tokenizer is None:
            return [Prepared(text, cost=max(1, len(text) // 4), bucket=(role, None)) for text in items]
        limit = loaded.limit(self._max_length, role)
        prepared = loaded.tokenizer.prepare(texts, limit, bucket=(role, None))
        if loaded.by_text:
            for item, text in zip(prepared, items, strict=True):
                item.data = text
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Run the model's modules over one batch of a role."""
        torch = require("torch", extra="text")
        loaded = self._loaded()
        role: Role = "query" if _is_query(batch[0]) else "document"
        prompt = self.prompts.get(role)
        task = self._tasks.get(role, role)
        with torch.inference_mode():
            if loaded.backend is not None:
                features = loaded.packed_features([item.data for item in batch])
            elif loaded.by_text or loaded.tokenizer is None:
                features = loaded.preprocess([item.data for item in batch], prompt, task, self._max_length)
            else:
                features = loaded.tokenizer.pad([item.data for item in batch], loaded.model.device, loaded.length)
                features["modality"] = "text"
            if prompt and loaded.skips_prompt and loaded.tokenizer is not None:
                features["prompt_length"] = loaded.prompt_length(prompt)
            if loaded.backend is not None:
                for module in list(loaded.model)[1:]:
                    features = module(features)
            else:
                features = loaded.model(features, task=task)
        vectors = features.get("sentence_embedding")
        if vectors is None:
            msg = f"{self.checkpoint.name}: modules.json has no Pooling, without which there are only vectors of tokens"
            raise ModelError(msg)
        return Encoded(vectors.float().cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Return weights and configuration of every module, prompts, length and number type."""
        return {
            "family": "sentence",
            "checkpoint": files_identity(self.checkpoint),
            "prompts": self.prompts.identity(),
            "max_length": self._max_length,
            "dtype": self.dtype or "float32",
            **adapter_identity(self.adapter),
        }

    def identity_at(self, max_length: int | None) -> Mapping[str, object]:
        """Return the identity, in which the number of tokens is what the user asked for, if anything."""
        del max_length
        return self.identity()

    def describe_backend(self) -> Mapping[str, object]:
        """Return what computes token states, or that the modules of sentence-transformers compute them."""
        backend = self._loaded().backend
        if backend is not None:
            return backend.describe()
        device, precision = str(self._loaded().model.device), PRECISIONS[self.dtype or "float32"]
        return {"backend": "torch", "device": device, "precision": precision, "texts": "padded"}

    def role_prompt(self, role: Role) -> str:
        """Return what is put before the texts of a role."""
        return self.prompts.get(role)

    def tokens_read(self, limit: int | None, positions: int | None) -> int | None:
        """Return the number of tokens that are read where the model has this limit and these positions."""
        return least(self._max_length or limit, positions)

    def graph_options(self) -> dict[str, object]:
        """Return what decides the graph of the model beside its files."""
        return {"family": "sentence", **adapter_identity(self.adapter)}

    def graph_content(self) -> Mapping[str, object]:
        """Return the checksums of the model's files."""
        return files_identity(self.checkpoint)

    def pipeline(self) -> Pipeline:
        """Load the modules as one, from tokens to vectors.

        Raises:
            ModelError: If they are more than a transformer, pooling, and layers after it.
        """
        return LoadedModules(self.checkpoint.name, self._load_modules("cpu", None), pack=False).pipeline()

    def _find_batching(self) -> Batching:
        """Return which texts may share a batch; packed texts are computed without padding."""
        if self._loaded().backend is not None:
            return "any"
        if self._loaded().switches:
            return "equal"

        def prove(role: Role) -> Batching:
            name, half = self.checkpoint.name, is_half(self.dtype)
            return find_batching(
                name, lambda batch: self.forward(batch).vectors, self._tokenize(SAMPLES, role), half=half
            )

        roles: tuple[Role, ...] = ROLES if self._loaded().routed else ("document",)
        return max((prove(role) for role in roles), key=BATCHINGS.index)

    def _load(self) -> LoadedModules:
        return LoadedModules(self.checkpoint.name, self._load_modules(self._device, self.dtype))

    def _load_modules(self, device: str | None, dtype: str | None) -> Any:
        model = load_modules(self.checkpoint, device=device, dtype=dtype, trust_remote_code=self._trust_remote_code)
        if self.adapter is not None:  # a first module without a transformer has no `auto_model`
            model[0].auto_model = apply_adapter(model[0].auto_model, self.adapter)
        return model


def _is_query(item: Prepared) -> bool:
    return isinstance(item.bucket, tuple) and item.bucket[0] == "query"


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    max_length: int | None = None,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    prompts: Mapping[str, str] | None = None,
    trust_remote_code: bool = False,
    adapter: str | None = None,
    backend: Backend = "auto",
    precision: Precision = "fp32",
) -> dict[Modality, Encoder]:
    """Build the text encoder of a sentence-transformers model, see `SentenceText`, in torch or as a graph.

    Args:
        name: Hub id or local folder.
        device: See `SentenceText`, as for all that is not described here.
        dtype: See `SentenceText`.
        revision: Of a hub model.
        max_length: See `SentenceText`.
        batch_tokens: See `SentenceText`.
        prompts: See `SentenceText`.
        trust_remote_code: See `SentenceText`.
        adapter: See `SentenceText`.
        backend: What computes: `torch`, `onnx`, `openvino`, or `auto`, see `BackendChoice`.
        precision: `fp32`, `bf16` or `int8`.
    """
    choice = BackendChoice(backend, precision, device, dtype)
    encoder = SentenceText(
        resolve(name, revision=revision, patterns=PATTERNS, code=trust_remote_code),
        device=device,
        dtype=choice.torch_dtype,
        max_length=max_length,
        batch_tokens=batch_tokens,
        prompts=prompts,
        trust_remote_code=trust_remote_code,
        adapter=adapter,
    )
    return choice.apply({"text": encoder})


def _reads_only_text(signs: Signs) -> bool:
    """Return whether the first module of a sentence-transformers folder takes nothing but text."""
    several = not set(signs.first_module.get("modality_config") or ()) <= {"text", "message"}
    return bool(signs.modules) and not several and signs.modules[0] != "CLIPModel"


FAMILY = Family(
    scheme="sentence",
    build=build,
    modalities=("text",),
    extra="text",
    summary="sentence-transformers text models: SBERT, E5, BGE, GTE, Nomic, Instructor, Jina, EmbeddingGemma, Qwen3",
    examples=("sentence-transformers/all-MiniLM-L6-v2", "intfloat/multilingual-e5-small", "BAAI/bge-small-en-v1.5"),
    dimensions=(384, 384, 384),
    license="by model; EmbeddingGemma has its own terms, Jina v3 is CC-BY-NC",
    rules=(Rule(_reads_only_text, BY_TEXT_MODULES),),
)
