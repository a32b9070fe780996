"""Contextual text: BERT and its relatives, pooled from the states of the last or chosen layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import ROLES, Encoded, Encoder, Prepared, Role
from senseweave.encoders.detection import Rule, has_model_type, read_signs
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backend_choice import BackendChoice
from senseweave.encoders.parts.graph_encoder import CheckpointSource
from senseweave.encoders.parts.graph_text import GraphText, text_inputs
from senseweave.encoders.parts.pooling import POOLINGS, Pooling, pool, pooling_module
from senseweave.encoders.refusals import check_sentence_encoder
from senseweave.encoders.runtime.adapters import adapter_identity, apply_adapter, find_adapter
from senseweave.encoders.runtime.backends.base import Items, TextBackend
from senseweave.encoders.runtime.backends.choosing import choose_backend
from senseweave.encoders.runtime.backends.export import Pipeline
from senseweave.encoders.runtime.backends.precision import Backend, Precision
from senseweave.encoders.runtime.backends.torch_packed import Packed
from senseweave.encoders.runtime.backends.torch_padded import Padded
from senseweave.encoders.runtime.checkpoint import Checkpoint, from_pretrained, resolve
from senseweave.encoders.runtime.padding import (
    DEFAULT_BATCH_TOKENS,
    SAMPLES,
    Batching,
    bucket,
    find_batching,
    restore_attention,
    switches_attention,
)
from senseweave.encoders.runtime.tokenization import Tokenizer, fixed_length, least, position_limit
from senseweave.encoders.runtime.torch_runtime import Lazy, is_half, pick_device, pick_dtype
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Modality

LAST_FOUR: tuple[int, ...] = (-1, -2, -3, -4)
"""`layers` for the mean of the last four layers (Devlin et al. 2018, arXiv 1810.04805, table 7)."""

ENCODER_TYPES = (
    "albert", "bert", "bert-generation", "big_bird", "camembert", "convbert", "data2vec-text", "deberta", "deberta-v2",
    "distilbert", "electra", "ernie", "esm", "eurobert", "flaubert", "fnet", "funnel", "gte", "ibert",
    "jina_embeddings_v3", "longformer", "luke", "megatron-bert", "mobilebert", "modernbert", "mpnet", "mra",
    "nomic_bert", "nystromformer", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "squeezebert",
    "xlm", "xlm-roberta", "xlm-roberta-xl", "xmod", "yoso",
)  # fmt: skip
"""Model types of transformers that read text in both directions."""
ENCODER_DECODER_TYPES = ("t5", "mt5", "umt5")
"""Model types whose encoder is used without its decoder."""


class ContextualText(CheckpointSource, Encoder):
    """Tokens through a transformer encoder, pooled over the true tokens into one vector."""

    modality: ClassVar[Modality] = "text"
    graph_class = GraphText
    batch_budget: int

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        pooling: Pooling = "mean",
        layers: Sequence[int] = (-1,),
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
            checkpoint: A folder with config, tokenizer and weights.
            pooling: `cls` (first token), `mean` or `max` over true tokens, or `last` true token.
            layers: Hidden layers whose states are averaged before pooling; -1 is the last, 0 the embeddings.
            device: torch device; the best there is if None.
            dtype: `float32`, `bfloat16` or `float16`; pooling and output are float32 in any case.
            max_length: Tokens that are read, special tokens included; what the model and tokenizer allow if None.
            batch_tokens: Padded tokens per batch.
            prompts: Text put before queries and documents, by role.
            trust_remote_code: Whether Python files of the checkpoint may be run.
            adapter: Folder or hub id of a LoRA adapter, which is merged into the weights.

        Raises:
            ValueError: If there is no such pooling.
            ModelError: If the checkpoint is of another family.
        """
        if pooling not in POOLINGS:
            msg = f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}"
            raise ValueError(msg)
        signs = read_signs(checkpoint.name, checkpoint.folder)
        check_sentence_encoder(signs, named=True, adapter=adapter is not None)
        self.checkpoint = checkpoint
        self.adapter = find_adapter(adapter)
        self.pooling = pooling
        self.layers = tuple(layers)
        self.prompts = dict(prompts or {})
        self.batch_budget = batch_tokens
        self._config = checkpoint.json("config.json")
        self._trust_remote_code = trust_remote_code
        require_text_model(checkpoint, self._config, trust_remote_code=trust_remote_code)
        self._device = device
        self.dtype = dtype
        self._max_length = max_length
        self._tokenizer: Lazy[Tokenizer] = Lazy(lambda: Tokenizer.load(checkpoint, trust_remote_code=trust_remote_code))
        self._backend: Lazy[TextBackend] = Lazy(
            lambda: choose_backend(checkpoint.name, self._load_model(), self._tokenizer())
        )
        self._batching: Lazy[Batching] = Lazy(self._find_batching)
        self.parts = (self._tokenizer, self._backend, self._batching)

    @property
    def dimension(self) -> int:
        """The model's hidden size."""
        return hidden_size(self._config)

    @property
    def max_length(self) -> int | None:
        """The tokens that are read: `max_length`, else the tokenizer's limit; never more than the positions."""
        limit = self._max_length or self._tokenizer().max_length
        return least(limit, position_limit(self._config), fixed_length(self._config))

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Tokenize without padding, counting what truncation removes."""
        prompt = self.prompts.get(role, "")
        prepared = self._tokenizer().prepare([prompt + text for text in items], self.max_length)
        return self._put_in_buckets(prepared)

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Run the model and pool over true tokens, in float32."""
        torch = require("torch", extra="text")
        with torch.inference_mode():
            states, lengths = self._backend().states([item.data for item in batch], self.layers)
            vectors = pool(states, lengths, self.pooling)
        return Encoded(vectors.cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Return weights, pooling, layers, prompts, length and number type."""
        return self.identity_at(self.max_length)

    def identity_at(self, max_length: int | None) -> Mapping[str, object]:
        """Return the identity if this many tokens are read, which the tokenizer says once it is loaded."""
        return {
            "family": "contextual",
            "checkpoint": self.checkpoint.identity(),
            "pooling": self.pooling,
            "layers": self.layers,
            "prompts": {role: self.prompts.get(role, "") for role in ROLES},
            "max_length": max_length,
            "dtype": self.dtype or "float32",
            **adapter_identity(self.adapter),
        }

    def describe_backend(self) -> Mapping[str, object]:
        """Return what computes token states."""
        return self._backend().describe()

    def role_prompt(self, role: Role) -> str:
        """Return what is put before the texts of a role."""
        return self.prompts.get(role, "")

    def tokens_read(self, limit: int | None, positions: int | None) -> int | None:
        """Return the number of tokens that are read where the model has this limit and these positions."""
        return least(self._max_length or limit, positions)

    def graph_options(self) -> dict[str, object]:
        """Return what decides the graph of the model beside its files."""
        return {
            "family": "contextual",
            "pooling": self.pooling,
            "layers": self.layers,
            **adapter_identity(self.adapter),
        }

    def graph_content(self) -> Mapping[str, object]:
        """Return the checksums of the model's files."""
        return self.checkpoint.identity()

    def pipeline(self) -> Pipeline:
        """Load the model as one module from tokens to vectors.

        Raises:
            ModelError: If it is not that.
        """
        name, tokenizer = self.checkpoint.name, self._tokenizer()
        if fixed_length(self._config) is not None or switches_attention(self._config):
            msg = f"{name} cannot be a graph: its attention depends on the length of the text; use backend='torch'"
            raise ModelError(msg)
        model = load_text_model(self.checkpoint, None, "cpu", self._trust_remote_code)
        model = apply_adapter(model, self.adapter)
        padded = Padded(name, model, tokenizer)

        def reference(items: Items) -> np.ndarray:
            torch = require("torch", extra="text")
            with torch.inference_mode():
                states, lengths = padded.states(items, self.layers)
                vectors: np.ndarray = pool(states, lengths, self.pooling).numpy()
            return vectors

        inputs = text_inputs(
            name, tokenizer.tokenizer, tokenizer.prepare, least(tokenizer.max_length), position_limit(self._config)
        )
        return Pipeline(name, pooling_module(name, model, self.layers, self.pooling), inputs, reference)

    def _put_in_buckets(self, prepared: list[Prepared]) -> list[Prepared]:
        batching = self._batching()
        for item in prepared:
            item.bucket = bucket(batching, item.cost)
        return prepared

    def _find_batching(self) -> Batching:
        """Return which texts may share a batch; packed texts are computed without padding."""
        if isinstance(self._backend(), Packed):
            return "any"
        if switches_attention(self._config):
            return "equal"
        sample = self._tokenizer().prepare(SAMPLES, self.max_length)
        return find_batching(self.checkpoint.name, self._compute, sample, half=is_half(self.dtype))

    def _compute(self, batch: Sequence[Prepared]) -> np.ndarray:
        return self.forward(batch).vectors

    def _load_model(self) -> Any:
        model = load_text_model(self.checkpoint, self.dtype, self._device, self._trust_remote_code)
        return apply_adapter(model, self.adapter)


def load_text_model(checkpoint: Checkpoint, dtype: str | None, device: str | None, trust_remote_code: bool) -> Any:
    """Load the encoder (or the states of a causal model) of a checkpoint onto a device, whole.

    Raises:
        WeightsError: If weights are missing.
        ModelError: If it cannot be read.
    """
    transformers = require("transformers", extra="text")
    encoder_alone = checkpoint.json("config.json").get("model_type") in ENCODER_DECODER_TYPES
    model = from_pretrained(
        transformers.AutoModelForTextEncoding if encoder_alone else transformers.AutoModel,
        checkpoint,
        unused=("pooler.",),
        dtype=pick_dtype(dtype),
        trust_remote_code=trust_remote_code,
    )
    restore_attention(model)
    return model.to(pick_device(device))


def hidden_size(config: Mapping[str, Any]) -> int:
    """Return the length of token states, under any of the names that configurations use.

    Raises:
        ModelError: If the configuration has none of them.
    """
    names = ("hidden_size", "dim", "d_model", "emb_dim", "n_embd")
    size = next((config[key] for key in names if config.get(key)), None)
    if not isinstance(size, int) or size < 1:
        msg = f"config.json does not say how long the token states are; expected one of {', '.join(names)}"
        raise ModelError(msg)
    return 2 * size if config.get("model_type") == "reformer" else size  # both of its reversible streams


def require_text_model(checkpoint: Checkpoint, config: Mapping[str, Any], *, trust_remote_code: bool) -> None:
    """Check that a checkpoint is a text model.

    Args:
        checkpoint: For its name.
        config: Its `config.json`.
        trust_remote_code: Whether a model type that transformers does not know may come with its own code.
    """
    model_type = config.get("model_type")
    if not config:
        msg = f"{checkpoint.name} has no config.json; a folder of transformers has config, tokenizer and weights"
        raise ModelError(msg)
    if model_type in ENCODER_TYPES or model_type in ENCODER_DECODER_TYPES or is_causal(model_type):
        return
    if "auto_map" in config:
        if trust_remote_code:
            return
        msg = (
            f"{checkpoint.name} brings its own Python code ({model_type}); read it, and load it with "
            "trust_remote_code=True if you trust it"
        )
        raise ModelError(msg)
    msg = f"{checkpoint.name} is a checkpoint of another family ({model_type}), not a text model; leave the scheme out"
    raise ModelError(msg)


def is_causal(model_type: object) -> bool:
    """Return whether transformers has a causal language model of this type."""
    names = require("transformers.models.auto.modeling_auto", extra="text").MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    not_text = {"whisper", "trocr", "git", "musicgen", "musicgen_melody", "moshi"}
    return model_type in names and model_type not in not_text


def build(
    name: str,
    *,
    pooling: Pooling = "mean",
    layers: Sequence[int] = (-1,),
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
    """Build the text encoder of a BERT-like checkpoint, see `ContextualText`, in torch or as a graph.

    Args:
        name: Hub id or local folder.
        pooling: See `ContextualText`, as for all that is not described here.
        layers: See `ContextualText`.
        device: See `ContextualText`.
        dtype: See `ContextualText`.
        revision: Of a hub model.
        max_length: See `ContextualText`.
        batch_tokens: See `ContextualText`.
        prompts: See `ContextualText`.
        trust_remote_code: See `ContextualText`.
        adapter: See `ContextualText`.
        backend: What computes: `torch`, `onnx`, `openvino`, or `auto`, see `BackendChoice`.
        precision: `fp32`, `bf16` or `int8`.
    """
    choice = BackendChoice(backend, precision, device, dtype)
    encoder = ContextualText(
        resolve(name, revision=revision, code=trust_remote_code),
        pooling=pooling,
        layers=layers,
        device=device,
        dtype=choice.torch_dtype,
        max_length=max_length,
        batch_tokens=batch_tokens,
        prompts=prompts,
        trust_remote_code=trust_remote_code,
        adapter=adapter,
    )
    return choice.apply({"text": encoder})


FAMILY = Family(
    scheme="contextual",
    build=build,
    modalities=("text",),
    extra="text",
    summary="BERT-like encoders with a choice of pooling and layers",
    examples=("google-bert/bert-base-uncased", "contextual:allenai/scibert_scivocab_uncased"),
    dimensions=(768, 768),
    license="by model",
    rules=(Rule(has_model_type(*ENCODER_TYPES, *ENCODER_DECODER_TYPES)),),
)
