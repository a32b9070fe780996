"""The sample corpus: its folder, and the questions that it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from senseweave.errors import SenseweaveError


@dataclass(frozen=True)
class Question:
    """A question that the sample corpus answers.

    Attributes:
        question: What a person would type.
        answers: Paths of the files that answer it, relative to the corpus.
        modality: The modality of those files.
        span: `(start, end)` of the answer in seconds, or None.
    """

    question: str
    answers: tuple[str, ...]
    modality: str
    span: tuple[float, float] | None


def corpus_folder() -> Path:
    """Return the folder of the sample corpus, in the installed package or in the source checkout.

    Raises:
        SenseweaveError: If neither contains it; the message says where to get it.
    """
    here = Path(__file__).resolve()
    for folder in (here.parent / "data", here.parents[3] / "examples" / "data"):
        if (folder / "questions.json").is_file():
            return folder
    msg = "the sample corpus is not installed; it is the folder examples/data of the senseweave source distribution"
    raise SenseweaveError(msg)


def questions(folder: Path) -> list[Question]:
    """Return the questions of the corpus."""
    return [
        Question(
            question=entry["question"],
            answers=tuple(entry["answers"]),
            modality=entry["modality"],
            span=tuple(entry["span"]) if entry.get("span") else None,
        )
        for entry in json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    ]
