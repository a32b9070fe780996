"""Make a graph of a model, what pools its states included, in the format of ONNX, and prove what it computes."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.display import shorten
from senseweave.encoders.runtime.backends.base import GraphInputs, VectorBackend
from senseweave.errors import ModelError
from senseweave.extras import require

GRAPH: Final = "model.onnx"
PROOF: Final = "proof.npz"
TOLERANCE: Final = 1e-5
"""Greatest difference between vectors of the graph and of the model, relative to the largest number in them."""
LARGEST_IN_ONE_FILE: Final = 1_800_000_000
"""Bytes of weights; a file of ONNX ends at 2 GB, and larger weights lie beside it."""


@dataclass(frozen=True)
class Pipeline:
    """A model from the inputs of a graph to vectors.

    Attributes:
        name: What errors call it.
        module: torch module on the CPU in float32; takes tensors of what `inputs.collate` gives, in the order of
            `inputs.growing`, and returns vectors of shape (n, dimension).
        inputs: How items become its inputs.
        reference: Computes the vectors of prepared items by the product's own path in torch.
        facts: What else is to be known of the model without torch, as plain values.
    """

    name: str
    module: Any
    inputs: GraphInputs
    reference: Callable[[Sequence[Any]], np.ndarray]
    facts: Mapping[str, object] = field(default_factory=dict)


def export_pipeline(pipeline: Pipeline, folder: Path) -> None:
    """Write the graph of a model into a folder.

    Raises:
        ModelError: If there can be no graph of it; the message says why.
        ImportError: If an exporter is missing; the message holds the install line.
        OSError: If the folder cannot be written to, or the disk is full.
    """
    torch = require("torch", extra="onnx")
    require("onnx", extra="onnx", feature=f"a graph of {pipeline.name}")
    require("onnxscript", extra="onnx", feature=f"a graph of {pipeline.name}")
    growing = pipeline.inputs.growing
    tensors = pipeline.inputs.collate(pipeline.inputs.example())
    weights = sum(p.numel() * p.element_size() for p in pipeline.module.parameters())
    try:
        with torch.inference_mode(), _quiet():
            program = torch.onnx.export(
                pipeline.module,
                tuple(torch.from_numpy(tensors[name]) for name in growing),
                dynamo=True,
                dynamic_shapes=tuple(dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in growing.values()),
                input_names=list(growing),
                output_names=["vectors"],
                verbose=False,
            )
            program.save(str(folder / GRAPH), external_data=weights > LARGEST_IN_ONE_FILE)
    except OSError:  # of the disk, not of the model
        raise
    except Exception as error:  # the exporter fails in as many ways as there are models
        msg = f"{pipeline.name}: torch cannot export it: {type(error).__name__}: {shorten(str(error), 300)}"
        raise ModelError(msg) from error


def write_proof(pipeline: Pipeline, path: Path) -> int:
    """Write the vectors of samples by the model in torch, which any engine can be compared with later.

    Returns:
        Their length.
    """
    vectors = [pipeline.reference(batch) for batch in pipeline.inputs.proof_batches()]
    np.savez(path, *vectors)
    return int(vectors[0].shape[1])


def check_proof(name: str, backend: VectorBackend, inputs: GraphInputs, path: Path) -> float:
    """Return the greatest difference between a backend and the model in torch, in batches and alone.

    Args:
        name: What errors call the model.
        backend: Computes the graph in float32.
        inputs: Of the graph.
        path: Of `write_proof`.

    Raises:
        ModelError: If it is more than `TOLERANCE`.
    """
    largest = 0.0
    with np.load(path, allow_pickle=False) as proof:
        for number, batch in enumerate(inputs.proof_batches()):
            expected, found = proof[f"arr_{number}"], backend.vectors(batch)
            difference = float(np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max())))
            if not difference <= TOLERANCE:
                msg = (
                    f"{name}: vectors of its graph differ from those of torch by {difference:.1e}, more than "
                    f"{TOLERANCE:.0e}; use backend='torch'"
                )
                raise ModelError(msg)
            largest = max(largest, difference)
    return largest


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress, warnings and logs to itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
