"""Text encoders whose whole model is one graph, computed by ONNX Runtime or OpenVINO without torch and transformers."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Protocol

from senseweave.display import printable
from senseweave.encoders.base import Encoded, Encoder, Prepared, Role, Similarity
from senseweave.encoders.runtime.backends.base import VectorBackend
from senseweave.encoders.runtime.backends.cache import (
    Entry,
    GraphKey,
    find_entry,
    graph_key,
    installed_version,
    make_entry,
)
from senseweave.encoders.runtime.backends.export import (
    GRAPH,
    PROOF,
    TOKENIZER,
    Pipeline,
    check_proof,
    export_pipeline,
    write_proof,
)
from senseweave.encoders.runtime.backends.fast_tokenizer import FastTokenizer
from senseweave.encoders.runtime.backends.onnx import Onnx
from senseweave.encoders.runtime.backends.openvino import OpenVino
from senseweave.encoders.runtime.backends.precision import (
    LOSS_TEXTS,
    MODULES,
    Backend,
    Precision,
    has_accelerator,
    is_installed,
    measure_loss,
)
from senseweave.encoders.runtime.backends.quantizing import quantize
from senseweave.encoders.runtime.checkpoint import Checkpoint
from senseweave.encoders.runtime.padding import SAMPLES, Batching, bucket, find_batching
from senseweave.encoders.runtime.tokenization import least
from senseweave.encoders.runtime.torch_runtime import DEVICE_VARIABLE, Lazy, is_half
from senseweave.extras import require
from senseweave.media import Modality

Engine = Literal["onnx", "openvino"]

DEFAULT_BATCH_TOKENS: Final = 2048
"""Padded tokens per batch: enough for the kernels, few enough for the caches of a CPU; larger batches suit a GPU
(`benchmarks/text_throughput.py --batch-tokens` compares)."""
INT8_BATCH_TOKENS: Final = 1024
"""The same with weights of 8 bits, which are computed so fast that states must stay in nearer caches."""

_log = logging.getLogger(__name__)


class GraphSource(Protocol):
    """An encoder of texts in torch that a graph can be made of."""

    checkpoint: Checkpoint

    def role_prompt(self, role: Role) -> str:
        """Return what is put before the texts of a role."""

    def graph_options(self) -> dict[str, object]:
        """Return what decides the graph beside the files of the checkpoint."""

    def graph_content(self) -> Mapping[str, object]:
        """Return the checksums of the files that decide the graph."""

    def pipeline(self) -> Pipeline:
        """Load the model in torch, on the CPU and in float32, as one module.

        Raises:
            ModelError: If it is more than a module from tokens to vectors; the message says why.
        """

    def identity_at(self, max_length: int | None) -> Mapping[str, object]:
        """Return the identity of the encoder if it reads this many tokens."""


@dataclass(frozen=True)
class _Graph:
    """A graph that is ready to compute."""

    backend: VectorBackend
    tokenizer: FastTokenizer
    facts: Mapping[str, Any]
    loss: Mapping[str, float] | None

    def limit(self, max_length: int | None) -> int | None:
        return least(max_length or self.facts["limit"], self.facts["positions"])


class GraphText(Encoder):
    """A text encoder as a graph, with the prompts, the truncation and the identity of the encoder it is made of."""

    modality: ClassVar[Modality] = "text"
    batch_budget: int

    def __init__(
        self,
        source: Any,
        engine: Engine,
        precision: Precision = "fp32",
        *,
        max_length: int | None = None,
        batch_tokens: int = DEFAULT_BATCH_TOKENS,
        forgiving: bool = False,
    ) -> None:
        """Describe the encoder; the graph is made when it is first used, once for all processes.

        Args:
            source: The encoder in torch, a `GraphSource`, which is loaded only to make the graph.
            engine: What computes the graph.
            precision: In which it computes.
            max_length: Tokens that are read; what the model was saved with if None.
            batch_tokens: Padded tokens per batch.
            forgiving: Whether the encoder in torch computes if the graph cannot, which is logged.
        """
        self.source = source
        self.engine: Engine = engine
        self.precision: Precision = precision
        self.batch_budget = batch_tokens
        self._max_length = max_length
        self._forgiving = forgiving
        self._graph: Lazy[_Graph | Literal["torch"]] = Lazy(self._open)
        self.parts = (self._graph,)

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the weights are."""
        return self.source.checkpoint  # type: ignore[no-any-return]

    @property
    def similarity(self) -> Similarity:
        """What the model was saved with."""
        return self.source.similarity  # type: ignore[no-any-return]

    @property
    def usual_dimensions(self) -> int | None:
        """As the model was saved."""
        return self.source.usual_dimensions  # type: ignore[no-any-return]

    @property
    def layer_norm_before_cut(self) -> bool:
        """As the model's card says."""
        return self.source.layer_norm_before_cut  # type: ignore[no-any-return]

    @property
    def dimension(self) -> int:
        """The length of the vectors."""
        return self.source.dimension  # type: ignore[no-any-return]

    @property
    def max_length(self) -> int | None:
        """The number of tokens that are read: `max_length`, else the limit that the model was saved with."""
        graph = self._graph()
        return self.source.max_length if graph == "torch" else graph.limit(self._max_length)

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Tokenize with the prompt of the role, counting what truncation removes."""
        graph = self._graph()
        if graph == "torch":
            return self.source.prepare(items, role)  # type: ignore[no-any-return]
        prompt = self.source.role_prompt(role)
        prepared = graph.tokenizer.prepare([prompt + text for text in items], graph.limit(self._max_length))
        for item in prepared:
            item.bucket = bucket(graph.facts["batching"], item.cost)
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of a batch."""
        graph = self._graph()
        if graph == "torch":
            return self.source.forward(batch)  # type: ignore[no-any-return]
        return Encoded(graph.backend.vectors([item.data for item in batch]))

    def identity(self) -> Mapping[str, object]:
        """Return the identity of the encoder in torch; with precision and engine, unless it is float32."""
        identity = dict(self.source.identity_at(self.max_length))
        if self.precision != "fp32":
            identity["precision"] = f"{self.precision} by {self.engine}"
        return identity

    def describe_backend(self) -> Mapping[str, object]:
        """Return engine, precision, threads, and what the precision costs."""
        graph = self._graph()
        if graph == "torch":
            return self.source.describe_backend()  # type: ignore[no-any-return]
        lost = {} if graph.loss is None else {"loss": dict(graph.loss)}
        return {**graph.backend.describe(), "precision": self.precision, **lost}

    def load(self) -> None:
        """Make the graph or read it, and open it."""
        graph = self._graph()
        if graph == "torch":
            self.source.load()
        else:
            graph.backend.load()

    def close(self) -> None:
        """Free the graph; the next use opens it again."""
        super().close()
        self.source.close()

    def _open(self) -> _Graph | Literal["torch"]:
        try:
            return self._open_graph()
        except Exception as error:
            if not self._forgiving:
                raise
            _log.warning(
                "%s: torch computes it, because its graph cannot: %s", printable(self.source.checkpoint.name), error
            )
            return "torch"

    def _open_graph(self) -> _Graph:
        name, engine, precision = self.source.checkpoint.name, self.engine, self.precision
        require(MODULES[engine], extra=engine, feature=f"backend={engine!r}")
        key = source_key(self.source)
        exact = make_entry(key, lambda folder: _make_graph(self.source, folder))
        tokenizer = FastTokenizer.read(exact.folder / TOKENIZER, exact.facts["padding"])
        proven = GraphKey(key.quick, key.content, f"proof-{engine}-{installed_version(MODULES[engine])}")
        make_entry(proven, lambda folder: _prove(name, engine, exact, tokenizer))
        if precision == "fp32":
            return _Graph(_backend(name, engine, exact), tokenizer, exact.facts, None)
        variant = GraphKey(key.quick, key.content, f"{precision}-{engine}")
        reduced = make_entry(variant, lambda folder: _reduce(name, engine, precision, exact, tokenizer, folder))
        backend = _reduced_backend(name, engine, precision, exact, reduced.folder)
        return _Graph(backend, tokenizer, exact.facts, reduced.facts["loss"])


def choose_encoder(
    source: Any,
    *,
    backend: Backend,
    precision: Precision,
    device: str | None,
    max_length: int | None,
    batch_tokens: int,
) -> Encoder:
    """Return an encoder in torch as it is, or as a graph where that was asked for.

    With `auto` a model of float32 on the CPU is a graph if that was made before, by a load that asked for it: making
    one takes seconds and packages that compute nothing else. In bfloat16 it stays in torch, and in 8 bits it is a graph
    of ONNX Runtime, or of OpenVINO where that alone is installed.

    Args:
        source: The encoder, a `GraphSource`.
        backend: What computes; checked by `check_backend`, as is `precision`.
        precision: In which it computes.
        device: That was asked for.
        max_length: See `GraphText`.
        batch_tokens: See `GraphText`.
    """
    if precision == "int8" and batch_tokens == DEFAULT_BATCH_TOKENS:
        batch_tokens = INT8_BATCH_TOKENS
    engine: Engine
    if backend == "auto":
        if precision == "int8":
            engine = "openvino" if not is_installed("onnx") and is_installed("openvino") else "onnx"
        elif precision == "fp32" and _is_ready(source, device):
            return GraphText(source, "onnx", max_length=max_length, batch_tokens=batch_tokens, forgiving=True)
        else:
            return source  # type: ignore[no-any-return]
    elif backend == "torch":
        return source  # type: ignore[no-any-return]
    else:
        engine = backend
    return GraphText(source, engine, precision, max_length=max_length, batch_tokens=batch_tokens)


def torch_dtype(dtype: str | None, precision: Precision) -> str | None:
    """Return the number type of the model in torch."""
    return "bfloat16" if precision == "bf16" else dtype


def source_key(source: GraphSource) -> GraphKey:
    """Return the key of the graph of an encoder."""
    return graph_key(source.checkpoint, source.graph_content, **source.graph_options())


def _is_ready(source: Any, device: str | None) -> bool:
    """Return whether there is a graph of a model that torch would compute on the CPU in float32."""
    device = device or os.environ.get(DEVICE_VARIABLE)
    if device not in (None, "cpu") or is_half(source.dtype) or not is_installed("onnx"):
        return False
    try:
        return find_entry(source_key(source)) is not None and (device == "cpu" or not has_accelerator())
    except OSError:
        return False


def _make_graph(source: GraphSource, folder: Path) -> Mapping[str, object]:
    pipeline = source.pipeline()
    facts = export_pipeline(pipeline, folder)
    engine: Engine = "onnx" if is_installed("onnx") else "openvino"
    tokenizer = FastTokenizer.read(folder / TOKENIZER, int(str(facts["padding"])))
    backend = _backend(pipeline.name, engine, Entry(folder, facts))
    limit = least(pipeline.limit, pipeline.positions)
    write_proof(pipeline, tokenizer, folder / PROOF)
    check_proof(pipeline.name, backend, tokenizer, limit, folder / PROOF)
    sample = tokenizer.prepare(SAMPLES, limit)
    batching: Batching = find_batching(
        pipeline.name, lambda batch: backend.vectors([item.data for item in batch]), sample
    )
    backend.close()
    return {**facts, "name": pipeline.name, "batching": batching}


def _prove(name: str, engine: Engine, exact: Entry, tokenizer: FastTokenizer) -> Mapping[str, object]:
    """Compare an engine with torch: once for each of its versions, by what torch computed when the graph was made."""
    backend = _backend(name, engine, exact)
    limit = least(exact.facts["limit"], exact.facts["positions"])
    difference = check_proof(name, backend, tokenizer, limit, exact.folder / PROOF)
    backend.close()
    return {"name": name, "difference": difference}


def _reduce(
    name: str, engine: Engine, precision: Precision, exact: Entry, tokenizer: FastTokenizer, folder: Path
) -> Mapping[str, object]:
    """Write a graph of a lower precision where it needs one, and measure what it costs."""
    if precision == "int8":
        quantize(engine, exact.folder / GRAPH, folder / GRAPH)
    reduced = _reduced_backend(name, engine, precision, exact, folder)
    plain = _backend(name, engine, exact)
    limit = least(exact.facts["limit"], exact.facts["positions"])
    items = [item.data for item in tokenizer.prepare(LOSS_TEXTS, limit) if item.error is None]
    loss = measure_loss(reduced, plain, items)
    reduced.close()
    plain.close()
    return {"name": name, "loss": loss.describe()}


def _backend(name: str, engine: Engine, entry: Entry) -> VectorBackend:
    kind = Onnx if engine == "onnx" else OpenVino
    return kind(name, entry.folder / GRAPH, int(entry.facts["padding"]))


def _reduced_backend(name: str, engine: Engine, precision: Precision, exact: Entry, folder: Path) -> VectorBackend:
    padding = int(exact.facts["padding"])
    if precision == "bf16":
        return OpenVino(name, exact.folder / GRAPH, padding, half=True)
    return (Onnx if engine == "onnx" else OpenVino)(name, folder / GRAPH, padding)
