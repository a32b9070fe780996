"""Texts to token ids, with a count of what truncation removes: what every text encoder with a tokenizer shares."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from senseweave.encoders.base import Prepared
from senseweave.encoders.runtime.checkpoint import Checkpoint
from senseweave.encoders.runtime.torch_runtime import to_device
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.forking import Lock

WITHOUT_TOKENS = "it holds no token that the model has a vector for"
"""The error of an empty text where a tokenizer puts no special token around it, as GPT-2's."""
SMALLEST_VOCABULARY = 1000
"""A tokenizer of fewer tokens is looked at: is there more than special ones, and a space, among them?"""
UNBOUNDED = 1_000_000
"""Tokenizers without a limit say so by a very large number; from here on it is taken for none."""
OFFSET_POSITIONS = (
    "roberta",
    "xlm-roberta",
    "camembert",
    "mpnet",
    "xlm-roberta-xl",
    "roberta-prelayernorm",
    "longformer",
    "data2vec-text",
    "esm",
    "ibert",
    "luke",
    "xmod",
)
"""Model types that number positions from `padding_idx + 1`, and so lose as many of `max_position_embeddings`."""
RELATIVE_POSITIONS = ("t5", "mt5", "umt5", "xlnet")
"""Model types without a table of positions, so that a longer text is only slower."""


class Tokenizer:
    """A tokenizer of transformers behind a lock: its fast tokenizers keep the truncation of the last call as state."""

    def __init__(self, tokenizer: Any) -> None:
        """Take a tokenizer; if it has no padding token it pads with its last special token, which is masked out."""
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        self.tokenizer = tokenizer
        self._lock = Lock()

    @classmethod
    def load(cls, checkpoint: Checkpoint, *, trust_remote_code: bool = False) -> Tokenizer:
        """Read the tokenizer of a checkpoint from local files.

        Raises:
            ModelError: If it has none, or it cannot be read.
        """
        transformers = require("transformers", extra="text")
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                str(checkpoint.folder), local_files_only=True, trust_remote_code=trust_remote_code
            )
        except Exception as error:  # tokenizers raise whatever their parser does
            msg = f"{checkpoint.name} has no tokenizer that can be read (tokenizer.json or a vocabulary): {error}"
            raise ModelError(msg) from error
        require_vocabulary(checkpoint.name, tokenizer)
        tokenizer.padding_side = "right"  # so that positions count from 0 whatever the batch
        return cls(tokenizer)

    @property
    def max_length(self) -> int:
        """The limit that the tokenizer was saved with; a very large number where it has none."""
        return int(self.tokenizer.model_max_length)

    def prepare(
        self, texts: Sequence[str], limit: int | None, *, bucket: Hashable = None, offsets: bool = False
    ) -> list[Prepared]:
        """Tokenize without padding.

        Args:
            texts: With their prompts.
            limit: Tokens that are kept, special tokens included; None for all.
            bucket: Passed on to every item.
            offsets: Whether data hold `offset_mapping` and `special_tokens_mask`.

        Returns:
            Data are dictionaries of lists (`input_ids`, `attention_mask`, ...); costs are numbers of tokens.
        """
        if not texts:
            return []
        options: dict[str, Any] = {"padding": False, "verbose": False}
        if offsets:
            options |= {"return_offsets_mapping": True, "return_special_tokens_mask": True}
        prepared = []
        with self._lock:
            encoded = self.tokenizer(list(texts), truncation=False, **options)
            for index, ids in enumerate(encoded["input_ids"]):
                data = {name: encoded[name][index] for name in encoded}
                dropped = 0 if limit is None else max(0, len(ids) - limit)
                if dropped:
                    data = dict(self.tokenizer(texts[index], truncation=True, max_length=limit, **options))
                cost = len(data["input_ids"])
                error = why_unread(cost, dropped, limit, self.tokenizer.num_special_tokens_to_add)
                prepared.append(Prepared(data, max(1, cost), bucket, dropped, error))
        return prepared

    def pad(self, batch: Sequence[Mapping[str, Any]], device: Any, to: int | None = None) -> dict[str, Any]:
        """Pad to the longest of the batch, or `to` a number of tokens, on the side that the tokenizer is set to.

        Returns:
            torch tensors of shape (n, tokens), int64, on `device`.
        """
        how: dict[str, Any] = {"padding": True} if to is None else {"padding": "max_length", "max_length": to}
        padded = self.tokenizer.pad([dict(text) for text in batch], return_tensors="pt", verbose=False, **how)
        return {name: to_device(tensor, device) for name, tensor in padded.items()}


def require_vocabulary(name: str, tokenizer: Any) -> None:
    """Check that a tokenizer of transformers knows words.

    Where the files of its vocabulary are missing, transformers 5 makes most tokenizers of special tokens alone, to
    which all words are unknown.

    Raises:
        ModelError: If it does not.
    """
    if len(tokenizer) < SMALLEST_VOCABULARY and len({*tokenizer.get_vocab()} - {*tokenizer.all_special_tokens}) <= 1:
        msg = (
            f"{name} has no vocabulary: its files lack that of {type(tokenizer).__name__} (tokenizer.json, or "
            f"{', '.join(sorted(set(tokenizer.vocab_files_names.values()) - {'tokenizer.json'})) or 'another'})"
        )
        raise ModelError(msg)


def why_unread(tokens: int, dropped: int, limit: int | None, special: Callable[[], int]) -> str | None:
    """Return why the model would read nothing of a text, or None.

    Args:
        tokens: Tokens of the text that are kept, special tokens included.
        dropped: Tokens that truncation removes.
        limit: Tokens that are kept at most; None for all.
        special: Returns the number of special tokens that are put around a text.
    """
    if not tokens:
        return WITHOUT_TOKENS
    if not dropped or limit is None or limit > (around := special()):
        return None
    return f"max_length={limit} leaves no token of a text beside the {around} special tokens around it"


def position_limit(config: Mapping[str, Any]) -> int | None:
    """Return the number of tokens a model has positions for, or None if it has no such limit."""
    if config.get("model_type") in RELATIVE_POSITIONS:
        return None
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    if not positions:
        return None
    offset = max(2, int(config.get("pad_token_id") or 0) + 1)  # MPNet counts from 2 whatever its padding token
    return int(positions) - (offset if config.get("model_type") in OFFSET_POSITIONS else 0)


def fixed_length(config: Mapping[str, Any]) -> int | None:
    """Return the number of tokens that every text must be padded to, or None if any will do.

    Nystromformer divides as many tokens among its landmarks as it was configured with (Xiong et al. 2021, section 3).
    """
    length, landmarks = config.get("segment_means_seq_len"), config.get("num_landmarks")
    return int(length) if length and landmarks and length != landmarks else None


def least(*limits: float | None) -> int | None:
    """Return the smallest of the limits that are set, or None if all are unset."""
    finite = [int(limit) for limit in limits if limit is not None and 0 < limit < UNBOUNDED]
    return min(finite, default=None)
