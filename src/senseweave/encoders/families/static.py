"""Static text: the mean of token vectors that no context changes, as model2vec and StaticEmbedding save them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.detection import BY_MODULES, BY_STATIC_TYPE, Rule, Signs, has_architecture, has_model_type
from senseweave.encoders.family import Family
from senseweave.encoders.parts.prompts import Prompts
from senseweave.encoders.parts.saved_settings import with_settings
from senseweave.encoders.parts.sentence_folders import PATTERNS, files_identity, folder_prompts, module_folders
from senseweave.encoders.runtime.checkpoint import Checkpoint, resolve
from senseweave.encoders.runtime.tokenization import WITHOUT_TOKENS
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require
from senseweave.forking import Lock
from senseweave.media import Modality

MODEL2VEC_MAX_LENGTH = 512
"""Tokens that model2vec reads where a model's configuration does not say (model2vec 0.10, `DEFAULT_MAX_LENGTH`)."""
DEFAULT_BATCH_TOKENS = 65_536


class StaticText(Encoder):
    """The mean of a text's token vectors.

    Two libraries save such models and read them differently; each is followed for its own: model2vec leaves unknown
    tokens out, and reads 512 tokens of as many characters as 512 tokens of median length have, so that it need not
    tokenize what is long. sentence-transformers' StaticEmbedding keeps all.
    """

    modality: ClassVar[Modality] = "text"
    batch_budget: int
    max_length: int | None

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        max_length: int | None = None,
        batch_tokens: int = DEFAULT_BATCH_TOKENS,
        prompts: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the encoder; the vectors are loaded when they are first used.

        Args:
            checkpoint: A folder of model2vec, or of sentence-transformers whose first module is a StaticEmbedding.
            max_length: Tokens that are read; None for the model's own limit, if there is any.
            batch_tokens: Tokens per batch.
            prompts: Text put before queries and documents, by role.
        """
        self.checkpoint = checkpoint
        self.batch_budget = batch_tokens
        self.prompts: Prompts = folder_prompts(checkpoint, prompts)
        config = checkpoint.json("config.json")
        kind = config.get("model_type", "model2vec")
        if kind != "model2vec":
            msg = f"{checkpoint.name} is a checkpoint of another family ({kind}), not a static model; drop the scheme"
            raise ModelError(msg)
        self._from_model2vec = bool(config)  # which model2vec writes, and StaticEmbedding does not
        limit = config.get("max_length", MODEL2VEC_MAX_LENGTH) if self._from_model2vec else None
        self.max_length = max_length or limit
        self._table: Lazy[_Table] = Lazy(lambda: _Table.read(checkpoint, drop_unknown=self._from_model2vec))
        self.parts = (self._table,)

    @property
    def dimension(self) -> int:
        """The length of the token vectors."""
        return int(self._table().vectors.shape[1])

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Tokenize, counting what the limits remove; unknown tokens count to the limit, and are then left out."""
        prompt = self.prompts.get(role)
        table = self._table()
        characters = self._characters
        texts = [prompt + text for text in items]
        cut = table.tokenize([text[:characters] for text in texts])
        long = [at for at, text in enumerate(texts) if characters is not None and len(text) > characters]
        whole = dict(zip(long, table.tokenize([texts[at] for at in long]), strict=True))
        prepared = []
        for at, tokens in enumerate(cut):
            read, ids = tokens[: self.max_length], whole.get(at, tokens)
            kept = [i for i in read if i != table.unknown]
            prepared.append(Prepared(kept, cost=max(1, len(kept)), dropped=max(0, len(ids) - len(read))))
        return prepared

    @property
    def _characters(self) -> int | None:
        """The number of characters of a text that are tokenized; None for all."""
        if not self._from_model2vec or self.max_length is None:
            return None
        return self.max_length * self._table().median_length

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Average the token vectors of each text."""
        table = self._table()
        rows = np.zeros((len(batch), table.vectors.shape[1]), np.float32)
        errors = {}
        for row, item in enumerate(batch):
            if item.data:
                rows[row] = table.look_up(item.data).mean(axis=0)
            else:
                errors[row] = WITHOUT_TOKENS
        return Encoded(rows, errors=errors)

    def identity(self) -> Mapping[str, object]:
        """Return vectors, tokenizer, prompts and length."""
        return {
            "family": "static",
            "checkpoint": files_identity(self.checkpoint),
            "prompts": self.prompts.identity(),
            "max_length": self.max_length,
        }


@dataclass
class _Table:
    """Token vectors with their tokenizer.

    Attributes:
        vectors: Shape (rows, dimension), as saved.
        weights: A factor per token id, or None.
        mapping: The row of each token id, or None where they are the same.
        tokenizer: Of the library tokenizers.
        unknown: The id of the unknown token where it is left out, else None.
        median_length: Characters of the median token, as written in the vocabulary.
    """

    vectors: np.ndarray
    weights: np.ndarray | None
    mapping: np.ndarray | None
    tokenizer: Any
    unknown: int | None
    median_length: int

    def __post_init__(self) -> None:
        self._lock = Lock()

    @classmethod
    def read(cls, checkpoint: Checkpoint, *, drop_unknown: bool) -> _Table:
        """Read the files of a model.

        Raises:
            ModelError: If the folder holds no static model.
            WeightsError: If vectors or weights are missing, or too few for the vocabulary.
        """
        safetensors = require("safetensors", extra="static", feature=f"loading {checkpoint.name}")
        tokenizers = require("tokenizers", extra="static", feature=f"loading {checkpoint.name}")
        folder = next((f for f in _homes(checkpoint) if (f / "tokenizer.json").is_file()), None)
        file = next((f / "model.safetensors" for f in _homes(checkpoint) if (f / "model.safetensors").is_file()), None)
        if folder is None or file is None:
            msg = f"{checkpoint.name} is not a static model: it lacks tokenizer.json or model.safetensors"
            raise ModelError(msg)
        with safetensors.safe_open(str(file), framework="numpy") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        vectors = tensors.get("embeddings", tensors.get("embedding.weight"))
        if vectors is None:
            msg = f"{checkpoint.name} leaves its token vectors out: {file.name} lacks embeddings or embedding.weight"
            raise WeightsError(msg)
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        rows = len(tensors["mapping"]) if "mapping" in tensors else len(vectors)
        if rows < tokenizer.get_vocab_size():
            msg = f"{checkpoint.name} has {tokenizer.get_vocab_size()} tokens but vectors of {rows} in embeddings"
            raise WeightsError(msg)
        unknown = _unknown_id(tokenizer) if drop_unknown else None
        median = int(np.median([len(token) for token in tokenizer.get_vocab()]))
        return cls(vectors, tensors.get("weights"), tensors.get("mapping"), tokenizer, unknown, median)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return token ids without special tokens."""
        with self._lock:
            return [text.ids for text in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def look_up(self, ids: Sequence[int]) -> np.ndarray:
        """Return the vectors of token ids, shape (len(ids), dimension), float32."""
        rows = ids if self.mapping is None else self.mapping[ids]
        vectors = self.vectors[rows].astype(np.float32)
        return vectors if self.weights is None else vectors * self.weights[ids][:, None].astype(np.float32)


def _homes(checkpoint: Checkpoint) -> list[Path]:
    return [checkpoint.folder, *(folder for folder, _ in module_folders(checkpoint))]


def _unknown_id(tokenizer: Any) -> int | None:
    import json

    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_id") is not None:  # Unigram
        return int(model["unk_id"])
    token = model.get("unk_token")
    return tokenizer.token_to_id(token) if token else None


def build(
    name: str,
    *,
    revision: str | None = None,
    max_length: int | None = None,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    prompts: Mapping[str, str] | None = None,
    device: str | None = None,
) -> dict[Modality, Encoder]:
    """Build the encoder of a static model, see `StaticText`; it runs on the CPU whatever `device` is."""
    checkpoint = resolve(name, revision=revision, patterns=PATTERNS)
    encoder = StaticText(checkpoint, max_length=max_length, batch_tokens=batch_tokens, prompts=prompts)
    return with_settings({"text": encoder}, checkpoint)


def _is_static(signs: Signs) -> bool:
    """Return whether a checkpoint is a StaticEmbedding that at most a normalization follows."""
    return signs.modules[:1] == ("StaticEmbedding",) and set(signs.modules) <= {"StaticEmbedding", "Normalize"}


FAMILY = Family(
    scheme="static",
    build=build,
    modalities=("text",),
    extra="static",
    summary="means of static token vectors (model2vec and StaticEmbedding): hundreds of times faster, less exact",
    examples=("minishlab/potion-base-8M", "sentence-transformers/static-retrieval-mrl-en-v1"),
    dimensions=(256, 1024),
    license="by model; MIT for potion",
    rules=(
        Rule(_is_static, BY_MODULES),
        Rule(has_model_type("model2vec"), BY_STATIC_TYPE),
        Rule(has_architecture("StaticModel"), BY_STATIC_TYPE),
    ),
    on_processor=True,
)
