"""The starter's text encoder without torch: MiniLM's graph over the weights of its package, computed by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from senseweave.encoders.base import ROLES, Encoded, Encoder, Prepared, Role
from senseweave.encoders.runtime.checkpoint import Checkpoint
from senseweave.encoders.runtime.onnx_graph import MICROSOFT, Graph
from senseweave.encoders.runtime.onnx_session import OnnxSession, describe_session
from senseweave.encoders.runtime.tensor_files import MappedTensors
from senseweave.encoders.runtime.tokenization import why_unread
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.extras import require
from senseweave.media import Modality

WEIGHTS: Final = "model.safetensors"
WORDS: Final = "embeddings.word_embeddings.weight"
VECTORS: Final = "vectors"


class MiniLM(Encoder):
    """Texts as the mean of the states of their tokens: BERT as `ContextualText` computes it, and the same vectors."""

    modality: ClassVar[Modality] = "text"
    batch_budget: int
    max_length: int

    def __init__(self, checkpoint: Checkpoint, *, max_length: int, batch_tokens: int) -> None:
        """Describe the encoder; tokenizer and weights are read when they are first used.

        Args:
            checkpoint: A BERT with `config.json`, `tokenizer.json` and `model.safetensors`.
            max_length: Tokens of a text that are read, the two around it included; never more than the positions.
            batch_tokens: Padded tokens per batch.
        """
        self.checkpoint = checkpoint
        self._config = checkpoint.json("config.json")
        self._max_length = max_length
        self.max_length = min(max_length, self._config["max_position_embeddings"])
        self.batch_budget = batch_tokens
        self._tokenizer: Lazy[WordPieces] = Lazy(lambda: WordPieces(checkpoint.folder / "tokenizer.json"))
        self._network: Lazy[BertNetwork] = Lazy(
            lambda: BertNetwork(checkpoint.name, checkpoint.folder / WEIGHTS, self._config)
        )
        self.parts = (self._tokenizer, self._network)

    @property
    def dimension(self) -> int:
        """The model's hidden size."""
        return int(self._config["hidden_size"])

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Tokenize, counting what the limit removes."""
        return self._tokenizer().prepare(items, self.max_length)

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of a batch, padded to its longest text."""
        return Encoded(self._network().encode([item.data for item in batch]))

    def identity(self) -> Mapping[str, object]:
        """Return what `ContextualText` says of the same model, whose vectors are the same."""
        return {
            "family": "contextual",
            "checkpoint": self.checkpoint.identity(),
            "pooling": "mean",
            "layers": (-1,),
            "prompts": dict.fromkeys(ROLES, ""),
            "max_length": self._max_length,
            "dtype": "float32",
        }

    def describe_backend(self) -> Mapping[str, object]:
        """Return engine and threads."""
        return {**describe_session(), "precision": "fp32"}

    def load(self) -> None:
        """Read the tokenizer, and open the network."""
        super().load()
        self._network().load()


class WordPieces:
    """A tokenizer of the `tokenizers` library that neither pads nor cuts, and so may be used by several threads."""

    def __init__(self, path: Path) -> None:
        """Read `tokenizer.json`."""
        tokenizers = require("tokenizers", extra="starter", feature="the starter's text encoder")
        self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def prepare(self, texts: Sequence[str], limit: int) -> list[Prepared]:
        """Return the token ids of texts; of those that are too long, the first and the mark of the end."""
        if len(texts) == 1:  # a batch would wake the tokenizer's threads
            encodings = [self._tokenizer.encode(texts[0])]
        else:
            encodings = self._tokenizer.encode_batch_fast(list(texts))
        prepared = []
        for encoding in encodings:
            ids = encoding.ids
            dropped = max(0, len(ids) - limit)
            if dropped:
                ids = [*ids[: limit - 1], ids[-1]]
            error = why_unread(len(ids), dropped, limit, self._special)
            prepared.append(Prepared(ids, len(ids), None, dropped, error))
        return prepared

    def _special(self) -> int:
        return int(self._tokenizer.num_special_tokens_to_add(is_pair=False))


class BertNetwork:
    """A BERT whose token vectors are looked up in the file, and whose layers onnxruntime computes."""

    def __init__(self, name: str, weights: Path, config: Mapping[str, Any]) -> None:
        """Map the weights; the layers are prepared on first use."""
        self._tensors = MappedTensors(weights)
        self._words = self._tensors[WORDS]
        graph = bert_graph(self._tensors, config)
        self._session = OnnxSession(name, graph.to_bytes(), graph.weights)

    def load(self) -> None:
        """Prepare the layers now; what of the file has been read for them is then given back."""
        self._session.load()
        self._tensors.release_pages()

    def encode(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Compute the mean token states of texts, given as token ids, shape (n, hidden size), float32."""
        lengths = [len(ids) for ids in texts]
        ids = np.zeros((len(texts), max(lengths)), np.int64)
        mask = np.zeros(ids.shape, np.int32)
        for row, (text, length) in enumerate(zip(texts, lengths, strict=True)):
            ids[row, :length] = text
            mask[row, :length] = 1
        (vectors,) = self._session.run({"words": self._words[ids], "mask": mask}, [VECTORS])
        return vectors


def bert_graph(tensors: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> Graph:
    """Return BERT (Devlin et al. 2018, arXiv 1810.04805) from token vectors to the mean of the last states.

    Inputs are `words`, shape (n, tokens, hidden size), float32, and `mask`, shape (n, tokens), int32, 0 at padding.
    All layers but attention see tokens as rows of one matrix. Tensors keep their names in transformers' checkpoints.

    Args:
        tensors: Of the checkpoint.
        config: Its `config.json`.
    """
    width, heads = config["hidden_size"], config["num_attention_heads"]
    graph = Graph("bert")

    def weight(name: str) -> str:
        return graph.add_weight(name, tensors[name])

    def integers(*values: int) -> str:
        return graph.add_constant(np.array(values, np.int64))

    def normalize(x: str, layer: str) -> str:
        scale, bias = weight(f"{layer}.weight"), weight(f"{layer}.bias")
        return graph.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=float(config["layer_norm_eps"]))

    def project(x: str, layer: str) -> str:
        return graph.add("Gemm", x, weight(f"{layer}.weight"), weight(f"{layer}.bias"), transB=1)

    words = graph.add_input("words", "float32", ["texts", "tokens", width])
    mask = graph.add_input("mask", "int32", ["texts", "tokens"])
    shape, rows = graph.add("Shape", words), integers(-1, width)
    length = graph.add("Shape", mask, start=1, end=2)
    places = graph.add("Slice", weight("embeddings.position_embeddings.weight"), integers(0), length, integers(0))
    first_type = graph.add("Gather", weight("embeddings.token_type_embeddings.weight"), integers(0))
    embedded = graph.add("Add", graph.add("Add", words, first_type), places)
    states = normalize(graph.add("Reshape", embedded, rows), "embeddings.LayerNorm")
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        asked = [
            graph.add("Reshape", project(states, f"{layer}.attention.self.{part}"), shape)
            for part in ("query", "key", "value")
        ]
        attended = graph.add("MultiHeadAttention", *asked, "", mask, domain=MICROSOFT, num_heads=heads)
        mixed = project(graph.add("Reshape", attended, rows), f"{layer}.attention.output.dense")
        states = normalize(graph.add("Add", mixed, states), f"{layer}.attention.output.LayerNorm")
        wide = graph.add("Gelu", project(states, f"{layer}.intermediate.dense"), domain=MICROSOFT)
        narrow = project(wide, f"{layer}.output.dense")
        states = normalize(graph.add("Add", narrow, states), f"{layer}.output.LayerNorm")
    kept = graph.add("Unsqueeze", graph.add("Cast", mask, to=1), integers(1))
    total = graph.add("MatMul", kept, graph.add("Reshape", states, shape))
    mean = graph.add("Div", total, graph.add("ReduceSum", kept, integers(2)))
    graph.add_output(VECTORS, graph.add("Reshape", mean, rows), "float32", ["n", width])
    return graph
