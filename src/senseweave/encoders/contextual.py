"""Contextual text: BERT and its relatives, pooled from the states of the last or chosen layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.checkpoint import Checkpoint, from_pretrained, resolve
from senseweave.encoders.torch_runtime import Lazy, pick_device, pick_dtype
from senseweave.extras import require
from senseweave.media import Modality

Pooling = Literal["cls", "mean", "max", "last"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean", "max", "last")
DEFAULT_BATCH_TOKENS = 2048
"""Padded tokens per batch; the fastest of 512 to 8192 on two CPU cores (benchmarks/text_throughput.py)."""


class ContextualText(Encoder):
    """Tokens through a transformer encoder, pooled over the true tokens into one vector."""

    modality: Modality = "text"

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
    ) -> None:
        """Describe the encoder; the model is loaded when it is first used.

        Args:
            checkpoint: A folder with config, tokenizer and weights.
            pooling: `cls` (first token), `mean` or `max` over true tokens, or `last` true token.
            layers: Hidden layers whose states are averaged before pooling; -1 is the last.
            device: torch device; the best there is if None.
            dtype: `float32`, `bfloat16` or `float16`; pooling and output are float32 in any case.
            max_length: Tokens that are read, special tokens included; what the model and tokenizer allow if None.
            batch_tokens: Padded tokens per batch.
            prompts: Text put before queries and documents, by role.
        """
        if pooling not in POOLINGS:
            msg = f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}"
            raise ValueError(msg)
        self.checkpoint = checkpoint
        self.pooling = pooling
        self.layers = tuple(layers)
        self.prompts = dict(prompts or {})
        self.batch_budget = batch_tokens
        self._config = checkpoint.json("config.json")
        self._device = device
        self._dtype = dtype
        self._max_length = max_length
        self._tokenizer: Lazy[Any] = Lazy(self._load_tokenizer)
        self._model: Lazy[Any] = Lazy(self._load_model)

    @property
    def dimension(self) -> int:
        """The model's hidden size."""
        return int(self._config.get("hidden_size") or self._config.get("dim") or self._config["d_model"])

    @property
    def max_length(self) -> int:  # type: ignore[override]
        """Tokens that are read: the least of what was asked for and what model and tokenizer allow."""
        if self._max_length is None:
            positions = self._config.get("max_position_embeddings")
            allowed = [int(self._tokenizer().model_max_length)]
            if positions:
                # RoBERTa and its relatives number positions from padding_idx + 1, and so lose two of them.
                offset = 2 if self._config.get("model_type") in ("roberta", "xlm-roberta", "camembert") else 0
                allowed.append(int(positions) - offset)
            self._max_length = min(allowed)
        return self._max_length

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Tokenise without padding, counting what truncation removes."""
        tokenizer = self._tokenizer()
        prompt = self.prompts.get(role, "")
        texts = [prompt + text for text in items]
        limit = self.max_length
        encoded = tokenizer(texts, padding=False, truncation=False, verbose=False)
        prepared = []
        for index, ids in enumerate(encoded["input_ids"]):
            features = {name: encoded[name][index] for name in encoded}
            dropped = max(0, len(ids) - limit)
            if dropped:
                features = dict(tokenizer(texts[index], padding=False, truncation=True, max_length=limit))
            prepared.append(Prepared(features, cost=len(features["input_ids"]), dropped=dropped))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Pad to the longest of the batch, run the model and pool over true tokens, in float32."""
        torch = require("torch", extra="text")
        model = self._model()
        features = self._tokenizer().pad([one.data for one in batch], padding=True, return_tensors="pt")
        features = {name: tensor.to(model.device) for name, tensor in features.items()}
        with torch.inference_mode():
            if self.layers == (-1,):
                states = model(**features).last_hidden_state.float()
            else:
                hidden = model(**features, output_hidden_states=True).hidden_states
                states = torch.stack([hidden[layer].float() for layer in self.layers]).mean(dim=0)
            vectors = pool(states, features["attention_mask"], self.pooling)
        return Encoded(vectors.cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Weights, pooling, layers, prompts, length and number type."""
        return {
            "family": "contextual",
            "checkpoint": self.checkpoint.identity(),
            "pooling": self.pooling,
            "layers": self.layers,
            "prompts": self.prompts,
            "max_length": self.max_length,
            "dtype": self._dtype or "float32",
        }

    def close(self) -> None:
        """Free the model."""
        self._model.clear()

    def _load_tokenizer(self) -> Any:
        transformers = require("transformers", extra="text")
        return transformers.AutoTokenizer.from_pretrained(str(self.checkpoint.folder), local_files_only=True)

    def _load_model(self) -> Any:
        transformers = require("transformers", extra="text")
        model = from_pretrained(
            transformers.AutoModel,
            self.checkpoint,
            unused=("pooler.",),
            dtype=pick_dtype(self._dtype),
        )
        return model.to(pick_device(self._device))


def pool(states: Any, mask: Any, pooling: Pooling) -> np.ndarray[Any, Any] | Any:
    """Reduce token states to one vector per text.

    Args:
        states: torch tensor, shape (n, tokens, dimension), float32.
        mask: 1 for true tokens and 0 for padding, shape (n, tokens).
        pooling: How.

    Returns:
        torch tensor, shape (n, dimension). `mean` is the sum over true tokens divided by their number
        (Reimers and Gurevych 2019, arXiv 1908.10084, section 3).
    """
    weights = mask.unsqueeze(-1).to(states.dtype)
    if pooling == "mean":
        return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
    if pooling == "max":
        return states.masked_fill(weights == 0, float("-inf")).max(dim=1).values
    if pooling == "last":
        positions = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
        return states[range(len(states)), positions]
    first = mask.argmax(dim=1)
    return states[range(len(states)), first]


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
) -> dict[Modality, Encoder]:
    """Build the text encoder of a BERT-like checkpoint, see `ContextualText`."""
    encoder = ContextualText(
        resolve(name, revision=revision),
        pooling=pooling,
        layers=layers,
        device=device,
        dtype=dtype,
        max_length=max_length,
        batch_tokens=batch_tokens,
        prompts=prompts,
    )
    return {"text": encoder}
