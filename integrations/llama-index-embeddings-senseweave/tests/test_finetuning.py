"""The finetune engine has the shape of LlamaIndex's, trains what its datasets say, and gives our embedding model."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.embeddings.senseweave import SenseweaveEmbedding, SenseweaveFinetuneEngine

import senseweave as sw

TRAINING = Path(__file__).parents[3] / "tests" / "training"
sys.path[:0] = [str(TRAINING), str(TRAINING.parent / "encoders" / "tiny")]

from tiny_training import SETTINGS, pairs, save_model  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::senseweave.errors.TrainingWarning")


@dataclass
class QADataset:
    """What `EmbeddingQAFinetuneDataset` of llama-index-finetuning holds."""

    queries: dict[str, str]
    corpus: dict[str, str]
    relevant_docs: dict[str, list[str]]


def dataset(count: int = 60, seed: int = 0) -> QADataset:
    rows = pairs(count, seed=seed)
    return QADataset(
        {f"q{n}": question for n, (question, _) in enumerate(rows)},
        {f"{kind}{n}": f"{text} {kind}" for n, (_, text) in enumerate(rows) for kind in ("a", "b")},
        {f"q{n}": [f"a{n}", f"b{n}"] for n in range(count)},
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model(tmp_path_factory.mktemp("models") / "tiny")


def engine(data: Any, model: str, folder: Path, **options: Any) -> SenseweaveFinetuneEngine:
    given = {**SETTINGS, "show_progress_bar": False, **options}
    return SenseweaveFinetuneEngine(data, model_id=model, model_output_path=folder / "tuned", **given)


def test_a_dataset_of_questions_tunes_an_embedding_model(model: str, tmp_path: Path) -> None:
    tuner = engine(dataset(160), model, tmp_path)
    assert tuner.finetune() is None  # type: ignore[func-returns-value]
    assert tuner.report.verdict == "better"
    assert sum(tuner.report.rows.values()) == 160
    tuned = tuner.get_finetuned_model(embed_batch_size=7)
    assert isinstance(tuned, SenseweaveEmbedding)
    assert isinstance(tuned, BaseEmbedding)
    assert tuned.embed_batch_size == 7
    expected = sw.load(tmp_path / "tuned").embed_text(["abcd efgh"], role="query")[0]
    np.testing.assert_allclose(tuned.get_query_embedding("abcd efgh"), expected, atol=1e-6)
    assert np.abs(expected - sw.load(model).embed_text(["abcd efgh"], role="query")[0]).max() > 1e-3


def test_all_texts_of_a_question_can_be_used(model: str, tmp_path: Path) -> None:
    tuner = engine(dataset(40), model, tmp_path, use_all_docs=True, epochs=1)
    tuner.finetune()
    assert sum(tuner.report.rows.values()) == 80


def test_another_dataset_measures(model: str, tmp_path: Path) -> None:
    tuner = engine(dataset(40), model, tmp_path, val_dataset=dataset(30, seed=3), epochs=1)
    tuner.finetune(seed=5)
    assert tuner.report.heldout.queries == 30


def test_rows_and_tables_and_losses_are_those_of_finetune(model: str, tmp_path: Path) -> None:
    rows = [(question, text, other) for (question, text), (_, other) in zip(pairs(40), pairs(40, seed=7), strict=True)]
    tuner = engine(rows, model, tmp_path, loss="triplet", epochs=1)
    tuner.finetune()
    assert tuner.report.loss == "triplet"
    table = tmp_path / "rows.jsonl"
    table.write_text("\n".join(json.dumps({"question": question, "answer": text}) for question, text, _ in rows))
    again = SenseweaveFinetuneEngine(
        table,
        model_id=model,
        model_output_path=tmp_path / "other",
        show_progress_bar=False,
        **{**SETTINGS, "epochs": 1},
    )
    again.finetune()
    assert sum(again.report.rows.values()) == 40


def test_a_model_of_an_earlier_run_is_found(model: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="call finetune"):
        engine(dataset(), model, tmp_path).get_finetuned_model()
    save_model(tmp_path / "tuned")
    assert len(engine(dataset(), model, tmp_path).get_finetuned_model().get_text_embedding("a")) == 32


def test_a_full_folder_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        engine(dataset(), "no-such-model", tmp_path).finetune()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"relevant_docs": {"q0": ["missing"]}}, "the text 'missing', which is not in its corpus, as an answer to"),
        ({"relevant_docs": {}}, "no text as an answer to question 'q0'"),
    ],
)
def test_a_dataset_with_holes_is_refused(change: dict[str, Any], error: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=error):
        engine(QADataset(**{**vars(dataset(1)), **change}), "starter", tmp_path)
    with pytest.raises(TypeError, match="dataset must have queries"):
        engine(3, "starter", tmp_path)
