"""Loads a sentence-transformers folder offline, and refuses it if any weight is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from senseweave.encoders.runtime.checkpoint import Checkpoint, require_whole
from senseweave.encoders.runtime.torch_runtime import pick_device, pick_dtype
from senseweave.errors import ModelError
from senseweave.extras import require

_watching = threading.local()
_patching = threading.Lock()


def load_modules(
    checkpoint: Checkpoint,
    *,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
    unused: tuple[str, ...] = ("pooler.",),
) -> Any:
    """Load a `SentenceTransformer` from local files, in eval mode.

    sentence-transformers 6.2 only logs which weights a checkpoint lacks, and starts from random ones; here that is an
    error.

    Args:
        checkpoint: Where its files are.
        device: torch device; the best there is if None.
        dtype: Number type of the weights; float32 if None.
        trust_remote_code: Whether Python files of the checkpoint may be run.
        unused: Prefixes of parameters that no vector depends on, and which may therefore be missing.

    Raises:
        WeightsError: If the checkpoint leaves weights uninitialised.
        ModelError: If it cannot be loaded; among others, if it needs `trust_remote_code`.
    """
    library = require("sentence_transformers", extra="text", feature=f"loading {checkpoint.name}")
    options: dict[str, Any] = {"dtype": pick_dtype(dtype)}
    if any(path.suffix == ".safetensors" for path in checkpoint.weights):
        options["use_safetensors"] = True
    with watched_loading() as reports:
        try:
            model = library.SentenceTransformer(
                str(checkpoint.folder),
                device=pick_device(device),
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                model_kwargs=options,
            )
        except ImportError:
            raise
        except Exception as error:  # its modules raise whatever their authors chose
            hint = ""
            if "trust_remote_code" in str(error):
                hint = "; read the checkpoint's Python files, and load it with trust_remote_code=True if you trust them"
            msg = f"{checkpoint.name} cannot be loaded by sentence-transformers: {type(error).__name__}: {error}{hint}"
            raise ModelError(msg) from error
    if any("pooler_output" in str(getattr(module, "modality_config", "")) for module in model):
        unused = ()
    for report in reports:
        require_whole(checkpoint.name, report, unused=unused)
    return model.eval()


@contextmanager
def watched_loading() -> Iterator[list[Mapping[str, Any]]]:
    """Collect the loading report of every transformers model that this thread loads inside the block.

    `from_pretrained` gives its report to those who ask with `output_loading_info=True`; libraries that call it on our
    behalf do not ask. The first use puts a wrapper around it that asks on behalf of threads inside such a block.
    """
    _install_wrapper()
    reports: list[Mapping[str, Any]] = []
    outer = getattr(_watching, "reports", None)
    _watching.reports = reports
    try:
        yield reports
    finally:
        _watching.reports = outer


def _install_wrapper() -> None:
    transformers = require("transformers", extra="text")
    base = transformers.PreTrainedModel
    with _patching:
        original = base.__dict__["from_pretrained"].__func__
        if getattr(original, "watched_by_senseweave", False):
            return
        base.from_pretrained = classmethod(_watched(original))


def _watched(original: Callable[..., Any]) -> Callable[..., Any]:
    def from_pretrained(cls: Any, *args: Any, **options: Any) -> Any:
        reports = getattr(_watching, "reports", None)
        if reports is None or options.get("output_loading_info"):
            return original(cls, *args, **options)
        model, report = original(cls, *args, **options, output_loading_info=True)
        reports.append(report)
        return model

    from_pretrained.watched_by_senseweave = True  # type: ignore[attr-defined]
    from_pretrained.__doc__ = original.__doc__
    return from_pretrained
