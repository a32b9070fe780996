"""`senseweave index --ray`: the same files, read and embedded on a Ray cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from senseweave.cli import render
from senseweave.errors import SenseweaveError

if TYPE_CHECKING:
    from senseweave.media.forms.source import Pages
    from senseweave.media.kinds.picture_text import Ocr
    from senseweave.retrieval import Index
    from senseweave.retrieval.report import Report


def failures_file(into: str) -> Path:
    """Return the file that lists what cannot be indexed: beside a folder, or here for a store at an address."""
    from senseweave.retrieval.stores.addresses import is_address

    place = Path("index" if is_address(into) else into)
    return place.with_name(f"{place.name}-failures.parquet")


def index_on_ray(
    address: str,
    paths: list[Path],
    index: Index,
    failures: Path,
    actors: int,
    gpus: float,
    encoding: str | None,
    ocr: Ocr = "auto",
    pages: Pages = "separate",
) -> tuple[Report, bool]:
    """Index paths on a Ray cluster.

    Args:
        address: Of the cluster, or `auto`.
        paths: Files and folders.
        index: The open index.
        failures: The Parquet file that lists what cannot be indexed.
        actors: How many processes hold the models.
        gpus: GPUs of each.
        encoding: Of text files.
        ocr: In which pictures writing is read.
        pages: What is kept of pages.

    Returns:
        The report, and whether a file that was named could not be indexed.

    Raises:
        SenseweaveError: If the cluster cannot be reached.
    """
    from senseweave.encoders.runtime.devices import DEVICE_VARIABLE
    from senseweave.scale.cluster import require_ray
    from senseweave.scale.indexing import index as index_all

    ray = require_ray("index --ray")
    if not ray.is_initialized():
        chosen = {DEVICE_VARIABLE: os.environ[DEVICE_VARIABLE]} if DEVICE_VARIABLE in os.environ else {}
        options = {"runtime_env": {"env_vars": chosen}} if chosen else {}
        try:
            # Ray takes None for the cluster of this machine, and starts one where there is none.
            ray.init(address=None if address == "auto" else address, log_to_driver=False, **options)
        except (ConnectionError, ValueError) as error:
            msg = f"--ray {address}: cannot be reached ({error}); start a cluster with: ray start --head"
            raise SenseweaveError(msg) from None
    report = index_all(
        paths,
        index,
        concurrency=actors,
        num_gpus=gpus,
        failures=failures,
        encoding=encoding,
        ocr=ocr,
        pages=pages,
    )
    if report.failed:
        render.warning(f"{failures} lists what could not be indexed")
    else:
        failures.unlink(missing_ok=True)
    named = {os.path.abspath(path) for path in paths}
    return report, any(os.path.abspath(error.source) in named for error in report.failed)
