"""Encoders whose whole model is one graph, computed by ONNX Runtime or OpenVINO without torch and transformers."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from senseweave.display import printable
from senseweave.encoders.base import Encoded, Encoder, Prepared, Role, Similarity
from senseweave.encoders.runtime.backends.base import GraphInputs, VectorBackend
from senseweave.encoders.runtime.backends.cache import (
    Entry,
    GraphKey,
    graph_key,
    installed_version,
    make_entry,
)
from senseweave.encoders.runtime.backends.export import (
    GRAPH,
    PROOF,
    Pipeline,
    check_proof,
    export_pipeline,
    write_proof,
)
from senseweave.encoders.runtime.backends.graph_process import GraphProcessError, Make, make_apart
from senseweave.encoders.runtime.backends.onnx import Onnx
from senseweave.encoders.runtime.backends.openvino import OpenVino
from senseweave.encoders.runtime.backends.precision import (
    MODULES,
    Precision,
    measure_loss,
)
from senseweave.encoders.runtime.backends.quantizing import quantize
from senseweave.encoders.runtime.checkpoint import Checkpoint, no_downloads
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import ModelError
from senseweave.extras import require

Engine = Literal["onnx", "openvino"]
Inputs = TypeVar("Inputs", bound=GraphInputs)

_log = logging.getLogger(__name__)


class GraphSource(Protocol):
    """An encoder in torch that a graph can be made of."""

    graph_class: type[GraphEncoder[Any]]

    @property
    def name(self) -> str:
        """What errors call the model."""

    @property
    def dtype(self) -> str | None:
        """The number type that it was asked to compute in."""

    def graph_weights(self) -> Sequence[Path]:
        """Return the files that hold the weights."""

    def graph_options(self) -> dict[str, object]:
        """Return what decides the graph beside the files of the model."""

    def graph_content(self) -> Mapping[str, object]:
        """Return the checksums of the files that decide the graph."""

    def pipeline(self) -> Pipeline:
        """Load the model in torch, on the CPU and in float32, as one module.

        Raises:
            ModelError: If it is more than a module from prepared items to vectors; the message says why.
        """


class CheckpointSource:
    """What encoders in torch have in common, as `GraphSource`, whose weights lie in the folder of a checkpoint."""

    checkpoint: Checkpoint

    @property
    def name(self) -> str:
        """What errors call the model."""
        return self.checkpoint.name

    def graph_weights(self) -> Sequence[Path]:
        """Return the files that hold the weights."""
        return self.checkpoint.weights


@dataclass(frozen=True)
class Graph(Generic[Inputs]):
    """A graph that is ready to compute.

    Attributes:
        backend: What computes it.
        inputs: How items become its inputs.
        facts: What is known of it and of its model.
        loss: What its precision costs; None in float32.
    """

    backend: VectorBackend
    inputs: Inputs
    facts: Mapping[str, Any]
    loss: Mapping[str, float] | None


class GraphEncoder(Encoder, Generic[Inputs]):
    """An encoder as a graph, with the settings and the identity of the encoder that it is made of.

    Attributes:
        build_again: Builds an equal encoder, and can be pickled: the graph is made of that in a process of its own.
            None if there is no such function, and the graph is made in this process.
    """

    batch_budget: int
    build_again: Callable[[], GraphEncoder[Any]] | None = None

    def __init__(self, source: Any, engine: Engine, precision: Precision = "fp32", *, forgiving: bool = False) -> None:
        """Describe the encoder; the graph is made when it is first used, once for all processes.

        Args:
            source: The encoder in torch, a `GraphSource`, which is loaded only to make the graph.
            engine: What computes the graph.
            precision: In which it computes.
            forgiving: Whether the encoder in torch computes if the graph cannot, which is logged. In float32 it always
                does if the process that makes the graph crashes.
        """
        self.source = source
        self.engine: Engine = engine
        self.precision: Precision = precision
        self.batch_budget = source.batch_budget
        self._forgiving = forgiving
        self._graph: Lazy[Graph[Inputs] | Literal["torch"]] = Lazy(self._open)
        self.parts = (self._graph,)

    def remember_build(self, build: Callable[[], Any]) -> None:
        """Take a function that builds an equal encoder, from which another process makes the graph."""
        self.build_again = build

    def compute_as(self, first: Encoder) -> None:
        """Compute by the graph of the first of several devices, or in torch if that does."""
        if isinstance(first, GraphEncoder):
            self._graph = Lazy(first._graph)
            self.parts = (self._graph,)

    @staticmethod
    @abstractmethod
    def read_inputs(folder: Path, facts: Mapping[str, Any]) -> Inputs:
        """Read what `GraphInputs.save` has written and returned."""

    @staticmethod
    def examine(name: str, backend: VectorBackend, inputs: Inputs) -> Mapping[str, object]:
        """Return what else is to be found out of a graph when it is made, as plain values."""
        del name, backend, inputs
        return {}

    @abstractmethod
    def prepare_inputs(self, graph: Graph[Inputs], items: Sequence[Any], role: Role) -> list[Prepared]:
        """Prepare decoded items for the graph."""

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
        return self.fact("dimension")  # type: ignore[no-any-return]

    def fact(self, name: str) -> Any:
        """Return a setting of the model as the graph keeps it, or else as the encoder in torch says it."""
        graph = self._graph()
        return getattr(self.source, name) if graph == "torch" or name not in graph.facts else graph.facts[name]

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Prepare decoded items as the encoder in torch does."""
        graph = self._graph()
        if graph == "torch":
            return self.source.prepare(items, role)  # type: ignore[no-any-return]
        return self.prepare_inputs(graph, items, role)

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of a batch."""
        graph = self._graph()
        if graph == "torch":
            return self.source.forward(batch)  # type: ignore[no-any-return]
        return Encoded(graph.backend.vectors([item.data for item in batch]))

    def source_identity(self) -> Mapping[str, object]:
        """Return the identity of the encoder in torch."""
        return self.source.identity()  # type: ignore[no-any-return]

    def identity(self) -> Mapping[str, object]:
        """Return the identity of the encoder in torch; with precision and engine, unless it is float32."""
        identity = dict(self.source_identity())
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

    def _open(self) -> Graph[Inputs] | Literal["torch"]:
        try:
            return self._open_graph()
        except Exception as error:
            if not (self._forgiving or (isinstance(error, GraphProcessError) and self.precision == "fp32")):
                raise
            name = printable(self.source.name)
            _log.warning("%s: torch computes it, because its graph cannot: %s", name, error)
            return "torch"

    def _open_graph(self) -> Graph[Inputs]:
        name, engine, precision = self.source.name, self.engine, self.precision
        require(MODULES[engine], extra=engine, feature=f"backend={engine!r}")
        key = source_key(self.source).fixed()
        exact = make_entry(key, partial(self._make, key.folder()))
        inputs = self.read_inputs(exact.folder, exact.facts)
        proven = GraphKey(key.quick, key.content, f"proof-{engine}-{installed_version(MODULES[engine])}")
        make_entry(proven, lambda folder: _prove(name, engine, exact, inputs))
        if precision == "fp32":
            return Graph(_backend(name, engine, exact.folder, inputs), inputs, exact.facts, None)
        variant = GraphKey(key.quick, key.content, f"{precision}-{engine}")
        reduced = make_entry(variant, lambda folder: _reduce(name, engine, precision, exact, inputs, folder))
        backend = _reduced_backend(name, engine, precision, exact, inputs, reduced.folder)
        return Graph(backend, inputs, exact.facts, reduced.facts["loss"])

    def _make(self, place: Path, folder: Path) -> Mapping[str, object]:
        """Make the graph in another process if possible, of the files that decided its place in the cache.

        Raises:
            ModelError: If they have changed.
        """
        made = None
        if self.build_again is not None:
            prepare = partial(_prepare, self.build_again, place)
            made = make_apart(printable(self.source.name), prepare, folder)
        if made is None:
            made = self.make(folder)
        if source_key(self.source).folder() != place:
            msg = f"{self.source.name}: its files changed while its graph was made; load it again"
            raise ModelError(msg)
        return made

    def make(self, folder: Path) -> Mapping[str, object]:
        """Write the graph into an empty folder, prove it, and return what is known of it.

        Raises:
            ModelError: If there can be no graph, or it does not compute what the model computes in torch.
        """
        pipeline = self.source.pipeline()
        name = pipeline.name
        facts = {**pipeline.facts, **pipeline.inputs.save(folder)}
        export_pipeline(pipeline, folder)
        inputs = self.read_inputs(folder, facts)
        backend = _backend(name, self.engine, folder, inputs)
        dimension = write_proof(pipeline, folder / PROOF)
        check_proof(name, backend, inputs, folder / PROOF)
        found = self.examine(name, backend, inputs)
        backend.close()
        return {**facts, **found, "name": name, "dimension": dimension}


def source_key(source: GraphSource) -> GraphKey:
    """Return the key of the graph of an encoder."""
    return graph_key(source.graph_weights(), source.graph_content, **source.graph_options())


def _prepare(build_again: Callable[[], GraphEncoder[Any]], place: Path) -> Make:
    """Return what makes the graph of an encoder in another process, which downloads nothing.

    Raises:
        ModelError: If the encoder is another one there, as when its name leads to a newer revision by now.
    """
    with no_downloads():
        encoder = build_again()
    if source_key(encoder.source).folder() != place:
        msg = f"{encoder.source.name} is another model in this process"
        raise ModelError(msg)
    return encoder.make


def _prove(name: str, engine: Engine, exact: Entry, inputs: GraphInputs) -> Mapping[str, object]:
    """Compare an engine with torch: once for each of its versions, by what torch computed when the graph was made."""
    backend = _backend(name, engine, exact.folder, inputs)
    difference = check_proof(name, backend, inputs, exact.folder / PROOF)
    backend.close()
    return {"name": name, "difference": difference}


def _reduce(
    name: str, engine: Engine, precision: Precision, exact: Entry, inputs: GraphInputs, folder: Path
) -> Mapping[str, object]:
    """Write a graph of a lower precision where it needs one, and measure what it costs."""
    if precision == "int8":
        quantize(engine, exact.folder / GRAPH, folder / GRAPH)
    reduced = _reduced_backend(name, engine, precision, exact, inputs, folder)
    plain = _backend(name, engine, exact.folder, inputs)
    loss = measure_loss(reduced, plain, inputs)
    reduced.close()
    plain.close()
    return {"name": name, "loss": loss.describe()}


def _backend(name: str, engine: Engine, folder: Path, inputs: GraphInputs) -> VectorBackend:
    return (Onnx if engine == "onnx" else OpenVino)(name, folder / GRAPH, inputs.collate)


def _reduced_backend(
    name: str, engine: Engine, precision: Precision, exact: Entry, inputs: GraphInputs, folder: Path
) -> VectorBackend:
    if precision == "bf16":
        return OpenVino(name, exact.folder / GRAPH, inputs.collate, half=True)
    return _backend(name, engine, folder, inputs)
