"""What fine-tuning returns: a model, and the report on whether it is better than its base."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

from senseweave.errors import TrainingWarning
from senseweave.spaces import Space, load
from senseweave.training.curves import CURVE_FILE
from senseweave.training.finetuning.report import Report
from senseweave.training.finetuning.run import Run

REPORT_FILE: Final = "finetuning.json"


class Finetuned:
    """A tuned model with the report on whether it is better than its base.

    Attributes:
        report: Before and after on held-out rows, and on the base's own kind of data.
        run: Steps, losses and scores.
    """

    def __init__(self, folder: Path, report: Report, run: Run, keep: Any = None) -> None:
        """Hold what `finetune` made.

        Args:
            folder: Where the model is.
            report: The comparison with its base.
            run: What the run did.
            keep: A temporary folder that must live as long as this.
        """
        self._folder = folder
        self._keep = keep
        self.report = report
        self.run = run

    @property
    def space(self) -> Space:
        """The tuned model as a space, like that of any model."""
        return load(self._folder)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the model, which `senseweave.load(folder)` and sentence-transformers open.

        Args:
            folder: A folder that does not exist or is empty.

        Returns:
            The folder.

        Raises:
            FileExistsError: If it holds something.

        Warns:
            TrainingWarning: If the held-out rows do not say that the model is better than its base.
        """
        target = Path(folder)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            msg = f"{target} exists and is not an empty folder"
            raise FileExistsError(msg)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            shutil.copytree(self._folder, beside, dirs_exist_ok=True)
            beside.chmod(0o755)
            if target.exists():
                target.rmdir()
            beside.rename(target)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        if self.report.verdict != "better":
            change = self.report.heldout.difference
            msg = (
                f"{target}: held-out rows say {self.report.verdict!r}: {self.report.heldout.measure} changed by "
                f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
            )
            warnings.warn(msg, TrainingWarning, stacklevel=2)
        return target

    def __repr__(self) -> str:
        return f"Finetuned({self.report.verdict!r}, loss={self.report.loss!r})"


def write_report(folder: Path, base: str, report: Report) -> None:
    """Write the report beside a model: as JSON, as the model's card, and the learning curve where matplotlib is."""
    (folder / REPORT_FILE).write_text(json.dumps(report.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
    drawn = report.plot_where_possible(folder / CURVE_FILE)
    card = f"""---
library_name: sentence-transformers
tags: [sentence-transformers, senseweave]
---
# A model tuned from {os.path.basename(base)}

Load it with `senseweave.load(folder)` or `sentence_transformers.SentenceTransformer(folder)`.

```
{report}
```
{f"![Learning curve]({CURVE_FILE})" if drawn else ""}
"""
    (folder / "README.md").write_text(card, encoding="utf-8")
