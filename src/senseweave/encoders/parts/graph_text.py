"""Text encoders as graphs: tokenized by the library `tokenizers` alone, padded, and batched as the model admits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from senseweave.encoders.base import Prepared, Role
from senseweave.encoders.parts.graph_encoder import Engine, Graph, GraphEncoder
from senseweave.encoders.runtime.backends.base import VectorBackend
from senseweave.encoders.runtime.backends.fast_tokenizer import FastTokenizer
from senseweave.encoders.runtime.backends.precision import LOSS_TEXTS, Precision
from senseweave.encoders.runtime.onnx_session import usual_batch_tokens
from senseweave.encoders.runtime.padding import DEFAULT_BATCH_TOKENS, SAMPLES, bucket, find_batching
from senseweave.encoders.runtime.tokenization import least
from senseweave.errors import ModelError
from senseweave.media import Modality

INT8_BATCH_TOKENS: Final = 1024
"""The same with weights of 8 bits, which are computed so fast that states must stay in nearer caches."""
TOKENIZER: Final = "tokenizer.json"
LONGEST_PROOF: Final = 512
"""Tokens of the longest text of the proof."""
_SENTENCE: Final = "to see whether a graph computes what its model does, some texts are short and others are long. "
TEXTS: Final = (
    "", "agree", "some texts", "are short", _SENTENCE, _SENTENCE.upper() * 2, "Größe, naïve, 東京, Москва 🙂 #42",
    "<s> [SEP] </s> special words are words", _SENTENCE * 4, _SENTENCE * 120,
)  # fmt: skip
"""Texts of the proof: empty, of equal and of very different lengths, in several scripts."""

Tokenize = Callable[[Sequence[str], int | None], list[Prepared]]
"""Tokenizes texts up to a number of tokens, all if None."""


@dataclass(frozen=True)
class TextInputs:
    """Texts as `input_ids` and `attention_mask`, shape (n, tokens), int64.

    Attributes:
        tokenizer: The model's.
        limit: Tokens that are read if the user does not say; None for no limit.
        positions: Tokens that the model has positions for; None for no limit.
        fixed: Whether every text is padded to `limit` and no mask is given.
        left: Whether padding comes before texts.
    """

    tokenizer: FastTokenizer
    limit: int | None
    positions: int | None
    fixed: bool = False
    left: bool = False

    unit: ClassVar[str] = "texts"

    @property
    def growing(self) -> Mapping[str, Sequence[int]]:
        """Texts and tokens; of a fixed length, texts alone."""
        return {"input_ids": (0,)} if self.fixed else {"input_ids": (0, 1), "attention_mask": (0, 1)}

    def save(self, folder: Path) -> dict[str, object]:
        """Write the tokenizer."""
        self.tokenizer.save(folder / TOKENIZER)
        return {
            "limit": self.limit,
            "positions": self.positions,
            "padding": self.tokenizer.padding,
            "fixed": self.fixed,
            "left": self.left,
        }

    def collate(self, items: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """Pad to the longest text, or to the fixed length."""
        ids, mask = pad_items(items, self.tokenizer.padding, self.limit if self.fixed else None, left=self.left)
        return {"input_ids": ids} if self.fixed else {"input_ids": ids, "attention_mask": mask}

    def example(self) -> Sequence[Any]:
        """Return a short and a longer text."""
        return self._tokenize(["are short", _SENTENCE], LONGEST_PROOF)

    def proof_batches(self) -> list[Sequence[Any]]:
        """Return texts of all lengths in one batch, and some in pairs and alone."""
        items = self._tokenize(TEXTS, LONGEST_PROOF)
        return [items[:-1], items[3:4], items[2:4], items[-1:], items[-2:]]

    def loss_sample(self) -> Sequence[Any]:
        """Return questions, prose, code and lists in several languages."""
        return self._tokenize(LOSS_TEXTS, None)

    def batching_sample(self) -> list[Prepared]:
        """Return texts of different lengths."""
        return self.tokenizer.prepare(SAMPLES, least(self.limit, self.positions))

    def _tokenize(self, texts: Sequence[str], longest: int | None) -> Sequence[Any]:
        prepared = self.tokenizer.prepare(texts, least(self.limit, self.positions, longest))
        return [item.data for item in prepared if item.error is None]


class GraphText(GraphEncoder[TextInputs]):
    """A text encoder as a graph, with the prompts, the truncation and the identity of the encoder it is made of.

    Its source also has `role_prompt(role)`, `tokens_read(limit, positions)`, which says how many tokens it reads where
    the model has these limits, and `identity_at(max_length)`.
    """

    modality: ClassVar[Modality] = "text"

    def __init__(self, source: Any, engine: Engine, precision: Precision = "fp32", *, forgiving: bool = False) -> None:
        """Describe the encoder, see `GraphEncoder`."""
        super().__init__(source, engine, precision, forgiving=forgiving)
        if self.batch_budget == DEFAULT_BATCH_TOKENS:
            if precision == "int8":
                self.batch_budget = INT8_BATCH_TOKENS
            elif engine == "onnx":
                self.batch_budget = usual_batch_tokens()

    @property
    def max_length(self) -> int | None:
        """The number of tokens that are read: what was asked for, else the limit that the model was saved with."""
        graph = self._graph()
        return self.source.max_length if graph == "torch" else self._tokens_read(graph)

    @property
    def logit_scale(self) -> float | None:
        """As the model says."""
        return self.fact("logit_scale")  # type: ignore[no-any-return]

    @property
    def logit_bias(self) -> float | None:
        """As the model says."""
        return self.fact("logit_bias")  # type: ignore[no-any-return]

    @staticmethod
    def read_inputs(folder: Path, facts: Mapping[str, Any]) -> TextInputs:
        """Read the tokenizer."""
        tokenizer = FastTokenizer.read(folder / TOKENIZER, int(facts["padding"]))
        return TextInputs(tokenizer, facts["limit"], facts["positions"], facts["fixed"], facts["left"])

    @staticmethod
    def examine(name: str, backend: VectorBackend, inputs: TextInputs) -> Mapping[str, object]:
        """Return which texts may share a batch."""
        if inputs.fixed:
            return {"batching": "any"}

        def compute(batch: Sequence[Prepared]) -> np.ndarray:
            return backend.vectors([item.data for item in batch])

        return {"batching": find_batching(name, compute, inputs.batching_sample())}

    def prepare_inputs(self, graph: Graph[TextInputs], items: Sequence[str], role: Role) -> list[Prepared]:
        """Tokenize with the prompt of the role, counting what truncation removes."""
        prompt = self.source.role_prompt(role)
        limit = self._tokens_read(graph)
        prepared = graph.inputs.tokenizer.prepare([prompt + text for text in items], limit)
        for item in prepared:
            item.bucket = bucket(graph.facts["batching"], item.cost)
            if graph.inputs.fixed:
                item.cost = limit or item.cost
        return prepared

    def source_identity(self) -> Mapping[str, object]:
        """Return the identity of the encoder in torch where it reads as many tokens."""
        return self.source.identity_at(self.max_length)  # type: ignore[no-any-return]

    def _tokens_read(self, graph: Graph[TextInputs]) -> int | None:
        return self.source.tokens_read(graph.inputs.limit, graph.inputs.positions)  # type: ignore[no-any-return]


def text_inputs(
    name: str, tokenizer: Any, tokenize: Tokenize, limit: int | None, positions: int | None, *, fixed: bool = False
) -> TextInputs:
    """Return the inputs of a model with a tokenizer of transformers.

    Args:
        name: What errors call the model.
        tokenizer: Of transformers.
        tokenize: Tokenizes by it as the encoder in torch does.
        limit: See `TextInputs`, as for all others.
        positions: See `TextInputs`.
        fixed: See `TextInputs`.

    Raises:
        ModelError: If it is not a fast tokenizer, or gives other tokens without transformers than with it.
    """
    if not getattr(tokenizer, "is_fast", False):
        msg = f"{name} has no fast tokenizer (tokenizer.json), which a graph needs; use backend='torch'"
        raise ModelError(msg)
    fast = FastTokenizer.parse(tokenizer.backend_tokenizer.to_str(), int(tokenizer.pad_token_id))
    for tokens in (None, least(limit, positions), 7):
        texts = TEXTS if tokens is not None else TEXTS[:-1]
        for expected, found in zip(tokenize(texts, tokens), fast.prepare(texts, tokens), strict=True):
            kinds = expected.data.get("token_type_ids") or [0]
            same = list(expected.data["input_ids"]) == found.data["input_ids"] and expected.dropped == found.dropped
            if not same or any(kinds) or not all(expected.data.get("attention_mask") or [1]):
                msg = f"{name} has a tokenizer that does more than its tokenizer.json says; use backend='torch'"
                raise ModelError(msg)
    return TextInputs(fast, limit, positions, fixed, tokenizer.padding_side == "left")


def pad_items(
    items: Sequence[Mapping[str, Any]], padding: int, to: int | None = None, *, left: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and mask of a batch, shape (n, tokens), int64.

    Args:
        items: Tokenized texts.
        padding: Id of the token that texts are padded with.
        to: Tokens that texts are padded to; as many as the longest has if None.
        left: Whether padding comes before texts.
    """
    lengths = [len(item["input_ids"]) for item in items]
    ids = np.full((len(items), to or max(lengths)), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, (item, length) in enumerate(zip(items, lengths, strict=True)):
        place = slice(-length, None) if left else slice(length)
        ids[row, place] = item["input_ids"]
        mask[row, place] = 1
    return ids, mask
