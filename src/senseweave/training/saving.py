"""Save an alignment: heads as safetensors, the configuration and the report as JSON, and a model card."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from senseweave import __version__
from senseweave.encoders.families.aligned import CONFIG, SIDES, WEIGHTS, Config
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.training.curves import CURVE_FILE
from senseweave.training.destination import TEMPORARY, check_destination
from senseweave.training.methods import METHODS, Heads
from senseweave.training.report import AlignmentReport

REPORT: Final = "report.json"
CARD: Final = "README.md"
FILES: Final = (WEIGHTS, REPORT, CARD, CONFIG)
"""In the order in which they are written: a folder with a configuration is whole."""
OWN_FILES: Final = (*FILES, CURVE_FILE)
"""What a folder holds that may be replaced."""


def save(folder: Path, config: Config, heads: Heads, report: AlignmentReport) -> Path:
    """Write an alignment into a folder; see `senseweave.Alignment.save`."""
    for side in SIDES:
        model = config.models[side]
        if model.options is None:
            msg = (
                f"the {side} {model.name!r} was not loaded by name, so that a folder cannot say how to load it; "
                "pass the name of the model to senseweave.align, or a space that senseweave.load gave"
            )
            raise ModelError(msg)
    safetensors = require("safetensors.numpy", extra="training", feature="saving an aligned space")
    check_destination(folder, OWN_FILES)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    arrays = {**heads.source.arrays("source"), **heads.target.arrays("target")}
    contents = {
        WEIGHTS: safetensors.save(arrays, {"format": "senseweave"}),
        REPORT: _json(report.to_json()),
        CARD: card(config, report).encode(),
        CONFIG: _json(config.to_json()),
    }
    for name in FILES:
        _replace(folder / name, contents[name])
    return folder


def card(config: Config, report: AlignmentReport) -> str:
    """Return the model card: what the space is, how to load it, and what it was measured to find."""
    embeds = "; ".join(
        f"{', '.join(config.models[side].encoders) or 'nothing'} by `{config.models[side].name}`" for side in SIDES
    )
    methods = [report.method] if report.method in METHODS else list(report.settings)
    papers = "; ".join(f"{name}: {METHODS[name].paper}" for name in methods)
    return f"""---
library_name: senseweave
tags: [alignment, embeddings, retrieval]
---
# An aligned space

`{report.source}` and `{report.target}` in one space, aligned by {report.pairs} pairs with senseweave {__version__}.
It embeds {embeds}. The models themselves are not in this folder; their licenses hold for what they embed.

```python
import senseweave as sw

space = sw.load("path/of/this/folder")
```

Method: {report.method} ({papers}). Settings: `{json.dumps(report.settings, sort_keys=True)}`.

## Held-out pairs

The figures are of heads fitted to {report.training} pairs, on {report.held_out} others of other documents; the heads in
this folder are fitted to all {report.pairs} with the same settings.

```
{report.summary()}
```
"""


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, so that a reader meets the old or the new, and never half."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
