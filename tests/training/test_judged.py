"""Judged searches as rows that fine-tuning takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage
from test_synthetic import TOPICS, Words
from tiny_training import SETTINGS, pairs, save_model

import senseweave as sw
from senseweave.spaces import Space
from senseweave.stores import Memory
from senseweave.training.data.judged import judged_pairs


@pytest.fixture
def index(tmp_path: Path) -> Iterator[sw.Index]:
    folder = tmp_path / "files"
    folder.mkdir()
    for topic in TOPICS:
        (folder / f"{topic}.txt").write_text(f"all about {topic}")
    PillowImage.new("RGB", (8, 8)).save(folder / "sea.png")
    with sw.Index(Memory(), spaces=[Space("topics", {"text": Words(), "image": Words("image")})]) as made:  # type: ignore[dict-item]
        made.add(folder)
        yield made


def judge(index: sw.Index, query: Any, **judged: bool) -> None:
    """Judge records by the stems of their files."""
    hits = {Path(hit.source).stem: hit for hit in index.search(query, k=20)}
    for stem, relevant in judged.items():
        index.judge(query, hits[stem], relevant)


def shown(rows: Any) -> list[tuple[Any, ...]]:
    def show(item: Any) -> Any:
        return item if isinstance(item, int) else item.decode() if item.modality == "text" else Path(item.source).name

    return [tuple(show(item) for item in row) for row in rows]


def test_queries_with_both_give_triplets(index: sw.Index, tmp_path: Path) -> None:
    judge(index, "old violins", violins=True, bread=False, sea=False)
    judge(index, sw.Image(tmp_path / "files" / "sea.png"), whales=True, trains=False)
    rows = judged_pairs(index)
    assert shown(rows) == [
        ("old violins", "all about violins", "all about bread"),
        ("old violins", "all about violins", "sea.png"),
        ("sea.png", "all about whales", "all about trains"),
    ]
    assert rows.report.to_dict() == {
        "examined": {"judgments": 5, "queries": 2}, "kept": 3, "left_out": {}, "errors": [],
    }  # fmt: skip
    assert shown(judged_pairs(index, negatives=1, documents="text")) == [
        ("old violins", "all about violins", "all about bread"),
        ("sea.png", "all about whales", "all about trains"),
    ]
    assert shown(judged_pairs(index, documents="text"))[1][2] == "three whales"


def test_rows_of_a_loss_have_the_same_columns(index: sw.Index) -> None:
    judge(index, "old violins", violins=True, bread=False)
    judge(index, "night trains", trains=True)
    judge(index, "nothing at all", bread=False)
    both = judged_pairs(index)
    assert shown(both) == [("old violins", "all about violins"), ("night trains", "all about trains")]
    assert both.report.left_out == {
        "query without a relevant document": 1,
        "irrelevant document, since not every query has one": 1,
    }
    triplets = judged_pairs(index, loss="triplet")
    assert shown(triplets) == [("old violins", "all about violins", "all about bread")]
    assert triplets.report.left_out == {
        "query without a relevant document": 1,
        "query without an irrelevant document": 1,
    }
    assert shown(judged_pairs(index, loss="contrastive")) == [
        ("old violins", "all about violins", 1),
        ("old violins", "all about bread", 0),
        ("night trains", "all about trains", 1),
        ("nothing at all", "all about bread", 0),
    ]


def test_what_was_deleted_or_changed_is_left_out(index: sw.Index, tmp_path: Path) -> None:
    picture = tmp_path / "query.png"
    PillowImage.new("RGB", (8, 8), "red").save(picture)
    judge(index, sw.Image(picture), glaciers=True)
    judge(index, "old violins", violins=True, sea=True)
    index.delete(sources=[tmp_path / "files" / "violins.txt"])
    assert shown(judged_pairs(index)) == [("query.png", "all about glaciers"), ("old violins", "sea.png")]
    PillowImage.new("RGB", (8, 8), "blue").save(picture)
    (tmp_path / "files" / "sea.png").unlink()
    rows = judged_pairs(index)
    assert list(rows) == []
    assert rows.report.left_out == {"judgment whose media cannot be read": 2}
    assert rows.report.examined["judgments"] == 2
    assert "query.png" in rows.report.errors[0]


def test_bad_options_are_named(index: sw.Index) -> None:
    for options, error in (
        ({"loss": "cosine"}, "loss must be"),
        ({"documents": "captions"}, "documents must be"),
        ({"negatives": 0}, "negatives must be at least 1"),
        ({"negatives": 1.5}, "negatives must be a whole number"),
    ):
        with pytest.raises(ValueError, match=error):
            judged_pairs(index, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", ["mnrl", "triplet", "contrastive"])
def test_the_rows_are_what_finetune_takes(tmp_path: Path, loss: Any) -> None:
    model = save_model(tmp_path / "model")
    texts = pairs(40)
    with sw.Index(Memory(), spaces=[sw.load(model)]) as index:
        index.add([sw.Text(answer) for _, answer in texts])
        by_text = {chunk.text: chunk.id for chunk in index.search("anything", k=40)}
        for number, (query, answer) in enumerate(texts):
            index.judge(query, by_text[answer])
            index.judge(query, by_text[texts[number ^ 1][1]], relevant=False)
        rows = judged_pairs(index, loss=loss)
    assert {len(row) for row in rows} == {3}
    report = sw.finetune(model, rows, loss=loss, **{**SETTINGS, "epochs": 1}).report
    assert sum(report.rows.values()) == len(rows) == {"contrastive": 80}.get(loss, 40)
