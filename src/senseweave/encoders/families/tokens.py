"""Token vectors: rows of the embedding matrix, or contextual states of any layer, of encoders and causal models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from senseweave.encoders.base import Encoded, Prepared
from senseweave.encoders.detection import Rule, Signs
from senseweave.encoders.families.contextual import ContextualText, is_causal
from senseweave.encoders.family import Family
from senseweave.encoders.parts.pooling import Pooling, pool
from senseweave.encoders.runtime.backends.base import average_layers
from senseweave.encoders.runtime.backends.torch_padded import Padded
from senseweave.encoders.runtime.checkpoint import Checkpoint, resolve
from senseweave.encoders.runtime.padding import (
    DEFAULT_BATCH_TOKENS,
    SAMPLES,
    Batching,
    find_batching,
    switches_attention,
)
from senseweave.encoders.runtime.tokenization import fixed_length
from senseweave.encoders.runtime.torch_runtime import Lazy, is_half
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Modality

Layer = int | Literal["matrix"]
"""A layer by number (0 is the input of the first, -1 the output of the last), or the embedding matrix itself."""


@dataclass(frozen=True)
class TokenVectors:
    """The tokens of a text, each with its position and its vector.

    Attributes:
        text: The text.
        tokens: Tokens as the model's vocabulary writes them, special tokens included.
        spans: For each token the characters `(start, end)` of `text` that it covers; `(0, 0)` for special tokens.
        special: Whether a token was added by the tokenizer and covers no part of the text, shape (tokens,), bool.
        vectors: Shape (tokens, dimension), float32, as the model has them: not normalized.
        layer: Which layer they are from.
        dropped: Tokens that truncation removed.
    """

    text: str
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    special: np.ndarray
    vectors: np.ndarray
    layer: Layer
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def words(self) -> tuple[str, ...]:
        """The part of the text that each token covers; empty for special tokens."""
        return tuple(self.text[start:end] for start, end in self.spans)


class TokenText(ContextualText):
    """A model read token by token; a text as a whole has the pooled vector of its tokens."""

    def __init__(self, checkpoint: Checkpoint, *, layer: Layer = -1, **options: Any) -> None:
        """Describe the encoder.

        Args:
            checkpoint: A folder with config, a fast tokenizer and weights.
            layer: Where vectors come from if a call does not say.
            **options: Those of `ContextualText`, but for `layers`.

        Raises:
            ValueError: If `layer` is neither a number nor `matrix`.
        """
        check_layer(layer)
        super().__init__(checkpoint, layers=(layer,) if isinstance(layer, int) else (0,), **options)
        self.layer: Layer = layer
        self._model: Lazy[Any] = Lazy(self._load_model)
        self.parts = (self._tokenizer, self._model, self._batching)

    def prepare_tokens(self, texts: Sequence[str]) -> list[Prepared]:
        """Tokenize with the positions of tokens in the text.

        Raises:
            ModelError: If the tokenizer is not a fast tokenizer; others do not know the positions of tokens.
        """
        tokenizer = self._tokenizer()
        if not tokenizer.tokenizer.is_fast:
            msg = f"{self.checkpoint.name} has no fast tokenizer (tokenizer.json), which locates tokens in a text"
            raise ModelError(msg)
        return self._put_in_buckets(tokenizer.prepare(texts, self.max_length, offsets=True))

    def forward_tokens(self, batch: Sequence[Prepared], layer: Layer | None = None) -> list[np.ndarray]:
        """Return the vectors of the true tokens of each item, shape (tokens, dimension), float32."""
        states, mask = self._states([item.data for item in batch], self.layer if layer is None else layer)
        return [rows[keep.bool()].cpu().numpy() for rows, keep in zip(states, mask, strict=True)]

    def token_names(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Return tokens as the vocabulary writes them."""
        return tuple(self._tokenizer().tokenizer.convert_ids_to_tokens(list(ids)))

    def embedding_matrix(self) -> np.ndarray:
        """Return a copy of the model's input embeddings, shape (vocabulary, width), float32."""
        matrix: np.ndarray = self._model().get_input_embeddings().weight.detach().float().cpu().numpy().copy()
        return matrix

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Pool the token vectors of each text."""
        torch = require("torch", extra="text")
        with torch.inference_mode():
            states, mask = self._states([item.data for item in batch], self.layer)
            return Encoded(pool(states[mask.bool()], mask.sum(dim=1).tolist(), self.pooling).cpu().numpy())

    def describe_backend(self) -> Mapping[str, object]:
        """Return that torch computes texts as they are padded: every token's state is asked for."""
        return Padded(self.checkpoint.name, self._model(), self._tokenizer()).describe()

    def identity(self) -> Mapping[str, object]:
        """Return the identity of a contextual encoder, and the layer."""
        return {**super().identity(), "family": "tokens", "layer": self.layer}

    def _find_batching(self) -> Batching:
        if switches_attention(self._config):
            return "equal"
        sample = self._tokenizer().prepare(SAMPLES, self.max_length)
        return find_batching(self.checkpoint.name, self._compute, sample, half=is_half(self.dtype))

    def _compute(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return the means of the states of the last layer, whatever layer is asked for."""
        return np.stack([rows.mean(axis=0) for rows in self.forward_tokens(batch, -1)])

    def _states(self, items: Sequence[Mapping[str, Any]], layer: Layer) -> tuple[Any, Any]:
        torch = require("torch", extra="text")
        model = self._model()
        names = ("input_ids", "attention_mask", "token_type_ids")
        inputs = [{name: item[name] for name in names if name in item} for item in items]
        features = self._tokenizer().pad(inputs, model.device, fixed_length(self._config))
        with torch.inference_mode():
            if layer == "matrix":
                states = model.get_input_embeddings()(features["input_ids"]).float()
            else:
                states = average_layers(self.checkpoint.name, model, features, (int(layer),))
        return states, features["attention_mask"]


def check_layer(layer: object) -> None:
    """Raise `ValueError` if `layer` is neither a number nor `matrix`."""
    if layer != "matrix" and (not isinstance(layer, int) or isinstance(layer, bool)):
        msg = (
            f"layer must be a number (0 is the input of the first layer, -1 the last output) or 'matrix', not {layer!r}"
        )
        raise ValueError(msg)


def build(
    name: str,
    *,
    layer: Layer = -1,
    pooling: Pooling = "mean",
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    max_length: int | None = None,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    trust_remote_code: bool = False,
) -> dict[Modality, Any]:
    """Build the encoder of a model that is read token by token, see `TokenText`."""
    encoder = TokenText(
        resolve(name, revision=revision, code=trust_remote_code),
        layer=layer,
        pooling=pooling,
        device=device,
        dtype=dtype,
        max_length=max_length,
        batch_tokens=batch_tokens,
        trust_remote_code=trust_remote_code,
    )
    return {"text": encoder}


def _is_causal(signs: Signs) -> bool:
    return signs.architecture.endswith(("ForCausalLM", "LMHeadModel")) or is_causal(signs.model_type)


def _refuse_causal(signs: Signs) -> str:
    return (
        f"{signs.name} is a causal language model ({signs.model_type}), which was not trained to embed; its "
        f"token vectors are at 'tokens:{signs.name}', and 'contextual:{signs.name}' with pooling='last' pools them"
    )


FAMILY = Family(
    scheme="tokens",
    build=build,
    modalities=("text",),
    extra="text",
    summary=(
        "a vector per token with its place in the text, context-free or of any layer, of encoders and causal models"
    ),
    examples=("tokens:openai-community/gpt2", "tokens:google-t5/t5-small"),
    dimensions=(768, 512),
    license="by model",
    rules=(Rule(_is_causal, refusal=_refuse_causal),),
    space="senseweave.spaces.token_space:TokenSpace",
)
