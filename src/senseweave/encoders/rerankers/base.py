"""What every reranking model shares: loading, batches that change no score, and failures that stay with their item."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from threading import Lock
from typing import Any, ClassVar, Final, Literal, TypeVar

import numpy as np

from senseweave.encoders.base import Prepared, Role
from senseweave.encoders.parts.saved_settings import named_prompts
from senseweave.encoders.parts.sentence_folders import files_identity
from senseweave.encoders.parts.sentence_modules import load_modules
from senseweave.encoders.runtime.checkpoint import SETTINGS, Checkpoint
from senseweave.encoders.runtime.model_files import ModelFiles
from senseweave.encoders.runtime.padding import DEFAULT_BATCH_TOKENS, SAMPLES, Batching, bucket, find_batching
from senseweave.encoders.runtime.tokenization import least, position_limit
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable, check_fork_failure, is_half
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Modality

Kind = Literal["cross-encoder", "multi-vector", "sparse", "vision-language"]
DECIDING: Final = ("similarity_fn_name", "max_active_dims", "activation_fn", "keep_in_fp32_modules")
"""Settings of `config_sentence_transformers.json`, beside prompts, that decide vectors or scores of these models."""
T = TypeVar("T")


@dataclass(frozen=True)
class Scores:
    """How well documents answer a query.

    Attributes:
        values: Shape (n,), float64, larger is better; NaN for a document that could not be scored.
        errors: Why documents could not be scored, by position.
        dropped: Tokens of each document that the model did not read.
        query_dropped: Tokens of the query that it did not read.
    """

    values: np.ndarray
    errors: Mapping[int, str] = field(default_factory=dict)
    dropped: tuple[int, ...] = ()
    query_dropped: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What the scores leave out, in a sentence each: texts that were cut, and documents that were not scored."""
        notes = []
        if self.query_dropped:
            notes.append(f"{self.query_dropped} tokens of the query are beyond what the model reads")
        if cut := sum(1 for count in self.dropped if count):
            notes.append(f"{sum(self.dropped)} tokens of {cut} of {len(self.values)} candidates were not read")
        if self.errors:
            first = min(self.errors)
            notes.append(
                f"{len(self.errors)} of {len(self.values)} candidates could not be scored; "
                f"number {first + 1}: {self.errors[first]}"
            )
        return tuple(notes)


class Scorer(Loadable):
    """A model that scores pairs of query and document, loaded when it is first used: as sentence-transformers does.

    A score is the same alone and in any batch: like an encoder of texts, the model shows at its first use whether
    padding changes what it computes. Pictures are computed one by one.
    """

    kind: ClassVar[Kind]
    library_class: ClassVar[str]
    unused: ClassVar[tuple[str, ...]] = ("pooler.",)
    usual_similarity: ClassVar[str | None] = None

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
    ) -> None:
        """Describe the model.

        Args:
            checkpoint: Its folder.
            device: torch device; the best there is if None.
            dtype: `float32`, `bfloat16` or `float16`; scores come out as float64 in any case.
            max_length: Tokens of a document, or of a pair, that are read; what the model was saved with if None.
            batch_tokens: Padded tokens per batch.
            prompts: Text put before queries and documents, by role; what the folder was saved with if None.
            trust_remote_code: Whether Python files of the checkpoint may be run.
        """
        self.checkpoint = checkpoint
        self.batch_tokens = batch_tokens
        self._device, self._dtype = device, dtype
        self._max_length = max_length
        self._prompts = dict(prompts) if prompts is not None else None
        self._trust_remote_code = trust_remote_code
        self._lock = Lock()
        self._files = ModelFiles(checkpoint.name, {"model": self._identity})
        self._loaded: Lazy[Any] = Lazy(self._load)
        self._batching: Lazy[Batching] = Lazy(self._find_batching)
        self.parts = (self._loaded, self._batching)

    @property
    def name(self) -> str:
        """What the user called the model."""
        return self.checkpoint.name

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the scores: files, prompts, length and number type.

        Raises:
            ModelError: If the files have changed since the model was loaded.
        """
        return hashlib.sha256(json.dumps(self._files.identity()["model"], sort_keys=True).encode()).hexdigest()[:16]

    def _identity(self) -> dict[str, object]:
        """Return everything that decides the scores."""
        return {
            "kind": self.kind,
            "checkpoint": files_identity(self.checkpoint),
            "prompts": self._prompts,
            "max_length": self._max_length,
            "dtype": self._dtype or "float32",
            **self._saved_prompts(),
            **self._saved_settings(),
        }

    def _saved_prompts(self) -> dict[str, object]:
        """Return the prompts that the folder was saved with and the name of the usual one, where they are used."""
        prompts, usual = named_prompts(self.checkpoint) if self._prompts is None else ({}, None)
        return {"saved_prompts": prompts, "default_prompt": usual} if prompts else {}

    def _saved_settings(self) -> dict[str, object]:
        """Return what else the folder was saved with that decides scores, where it is not what it usually is."""
        saved = self.checkpoint.json(SETTINGS)
        return {name: saved[name] for name in DECIDING if saved.get(name) not in (None, self.usual_similarity)}

    def reads(self, role: Role) -> frozenset[Modality]:
        """Return the modalities that queries or documents may have: `text`, and `image` where the model sees."""
        del role
        known: tuple[Modality, ...] = ("text", "image")
        model = self._loaded()
        return frozenset(name for name in known if model.supports(name))

    @property
    def reads_together(self) -> bool:
        """Whether a query may be words and a picture at once."""
        return bool(self._loaded().supports(("image", "text")))

    @abstractmethod
    def score(self, query: Any, documents: Sequence[Any]) -> Scores:
        """Score documents for a query.

        Args:
            query: A string, a `PIL.Image.Image`, or a mapping of both by modality for models that read them together.
            documents: Strings and images.

        Raises:
            ModelError: If the query cannot be computed, or the model cannot be loaded.
        """

    @abstractmethod
    def _find_batching(self) -> Batching:
        """Return which texts may share a batch."""

    def _prove(self, sample: Sequence[Prepared], forward: Callable[[Sequence[Any]], np.ndarray]) -> Batching:
        """Return which of the sample may share a batch, with `forward` over their data."""
        return find_batching(
            self.name, lambda batch: forward([item.data for item in batch]), sample, half=is_half(self._dtype)
        )

    def _run(self, items: Sequence[Prepared], forward: Callable[[Sequence[Any]], Sequence[T]]) -> list[T | str]:
        """Compute prepared items in batches.

        Returns:
            For each item what `forward` made of it, or why it could not be computed.
        """
        results: list[T | str] = [""] * len(items)
        for batch in _batches(items, self.batch_tokens):
            for at, result in zip(batch, self._try([items[at].data for at in batch], forward), strict=True):
                results[at] = result
        return results

    def _try(self, batch: Sequence[Any], forward: Callable[[Sequence[Any]], Sequence[T]]) -> Sequence[T | str]:
        """Compute a batch; if it fails, its items alone, so that the others are kept."""
        try:
            with self._lock:  # the tokenizers of transformers are no good in two threads
                return forward(batch)
        except ImportError:
            raise
        except Exception as error:  # processors and modules raise whatever their authors chose
            check_fork_failure(error)
            if len(batch) == 1:
                return [f"{type(error).__name__}: {error}"]
            return [result for item in batch for result in self._try([item], forward)]

    def _prepare(self, texts: Sequence[Any], role: Role, batching: Batching | None = None) -> list[Prepared]:
        """Count the tokens of strings, or of pairs of strings, and say which may share a batch; pictures may not."""
        if batching is None:
            batching = self._batching()
        prepared = []
        for text in texts:
            if not _is_text(text):
                prepared.append(Prepared(text, self.batch_tokens, bucket("alone", 0)))
                continue
            count = self._count(text, role)
            limit = self._limit(role)
            cost = count or 1 if limit is None or count is None else min(count, limit)
            dropped = max(0, count - limit) if count is not None and limit is not None else 0
            way: Batching = "alone" if batching == "equal" and count is None else batching
            prepared.append(Prepared(self._input(text), cost, bucket(way, cost), dropped))
        return prepared

    def _count(self, text: Any, role: Role) -> int | None:
        """Return the number of tokens of a text with its prompt, or of a pair; None if they cannot be counted."""
        tokenizer: Any = getattr(self._taker(role), "tokenizer", None)
        if not hasattr(tokenizer, "pad_token_id"):
            return None
        given = text if isinstance(text, tuple) else (self._prompt(role) + text,)
        with self._lock:
            ids = tokenizer(*given, truncation=False, padding=False, verbose=False)["input_ids"]
        return len(ids)

    def _limit(self, role: Role) -> int | None:
        """Return the number of tokens of a text of `role` that are read."""
        taker = self._taker(role)
        return least(getattr(taker, f"{role}_length", None), getattr(taker, "max_seq_length", None))

    def _prompt(self, role: Role) -> str:
        """Return the prompt that sentence-transformers puts before texts of `role`."""
        model = self._loaded()
        names = ("query",) if role == "query" else ("document", "passage", "corpus")
        name = next((name for name in names if name in model.prompts), model.default_prompt_name)
        return str(model.prompts.get(name) or "") if name is not None else ""

    def _taker(self, role: Role) -> Any:
        """Return the module that reads texts of `role`."""
        first = self._loaded()[0]
        routes = getattr(first, "sub_modules", None)  # of a Router
        return routes[role][0] if routes is not None and role in routes else first

    def _input(self, text: Any) -> Any:
        """Return a text as sentence-transformers takes it for text, whatever file or URL it names."""
        if isinstance(text, tuple):
            return text
        return text if set(self._loaded().modalities) <= {"text"} else {"text": text}

    def _load(self) -> Any:
        self._files.check()
        model = load_modules(
            self.checkpoint,
            device=self._device,
            dtype=self._dtype,
            trust_remote_code=self._trust_remote_code,
            unused=self.unused,
            library_class=self.library_class,
        )
        if self._prompts is not None:
            model.prompts = {"query": "", "document": "", **self._prompts}
        transformer = require("sentence_transformers.base.modules", extra="text").Transformer
        for module in model.modules():
            if isinstance(module, transformer) and module.tokenizer is not None:
                self._set_limits(module)
        return model

    def _set_limits(self, module: Any) -> None:
        """Keep a transformer from reading more tokens than asked for, or than it has positions for."""
        positions = position_limit(module.config.to_dict())
        limit = least(self._max_length, module.max_seq_length, positions)
        if limit is None:
            return
        module.max_seq_length = limit
        for name, own in (("query_length", positions), ("document_length", limit)):
            saved = getattr(module, name, None)
            if saved is not None and own is not None and saved > own:
                setattr(module, name, own)

    @property
    def _sample(self) -> list[str]:
        return list(SAMPLES)


def refuse(name: str, reason: str) -> ModelError:
    """Return the error of a query that cannot be scored."""
    return ModelError(f"{name} cannot read the query: {reason}")


def _is_text(text: Any) -> bool:
    return isinstance(text, str) or (isinstance(text, tuple) and all(isinstance(part, str) for part in text))


def _batches(items: Sequence[Prepared], budget: int) -> Iterator[list[int]]:
    """Yield positions of items that share a bucket, longest first, with at most `budget` padded tokens together."""
    order = sorted(range(len(items)), key=lambda at: (str(items[at].bucket), -items[at].cost))
    for _, group in groupby(order, key=lambda at: str(items[at].bucket)):
        batch: list[int] = []
        for at in group:
            if batch and items[batch[0]].cost * (len(batch) + 1) > budget:
                yield batch
                batch = []
            batch.append(at)
        yield batch
