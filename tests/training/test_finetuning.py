"""`senseweave.finetune`: every loss, the same result after a kill, and an honest comparison."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import tiny_training
import warm_python
from PIL import Image
from safetensors.numpy import load_file
from tiny_sentence import save_static
from tiny_training import SETTINGS, pairs

import senseweave as sw
from senseweave.errors import ModelError, TrainingWarning
from senseweave.training.data.augmentation import change_pictures
from senseweave.training.finetuning import Finetuned
from senseweave.training.finetuning.precision import has_bf16


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_training.save_model(tmp_path_factory.mktemp("model") / "tiny")


def tune(model: str, data: Any = None, **options: Any) -> Finetuned:
    return sw.finetune(model, pairs() if data is None else data, **{**SETTINGS, **options})


def vectors(tuned: Finetuned) -> np.ndarray:
    return tuned.space.embed_text([first for first, _ in pairs(20, seed=9)])


@pytest.fixture(scope="module")
def tuned(model: str) -> Finetuned:
    return tune(model)


def test_pairs_make_a_model_that_is_better_on_rows_held_back(model: str, tuned: Finetuned) -> None:
    heldout = tuned.report.heldout
    assert tuned.report.verdict == "better", str(tuned.report)
    assert heldout.difference.low > 0
    assert heldout.after["nDCG@10"].mean > heldout.before["nDCG@10"].mean
    assert tuned.report.rows == {"trained": 115, "for stopping": 13, "held out": 32}
    assert np.abs(vectors(tuned) - sw.load(model).embed_text([first for first, _ in pairs(20, seed=9)])).max() > 0.01


def test_the_measure_before_is_that_of_the_base(model: str, tuned: Finetuned) -> None:
    from senseweave.training.finetuning.rows import make_rows, split_rows

    _, _, heldout = split_rows(make_rows(pairs(), "mnrl"), 0.2, 0, stop=True)
    space = sw.load(model)
    queries = space.embed([row["anchor"] for row in heldout], role="query")
    corpus = [row["positive"] for row in heldout] + [sw.Text(answer) for _, answer in pairs()]
    documents = space.embed(list(dict.fromkeys(corpus)), role="document")
    ranks = [int((row >= row[at]).sum()) for at, row in enumerate(queries @ documents.T)]
    assert tuned.report.heldout.before["recall@1"].mean == pytest.approx(np.mean([rank == 1 for rank in ranks]))
    assert tuned.report.heldout.before["MRR"].mean == pytest.approx(np.mean([1 / rank for rank in ranks]))


def test_what_is_saved_is_what_was_measured(tuned: Finetuned, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        folder = tuned.save(tmp_path / "saved")
    space = sw.load(folder)
    sample = [first for first, _ in pairs(20, seed=9)]
    assert np.array_equal(space.embed_text(sample), vectors(tuned))
    assert not [path.name for path in folder.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")]
    assert space.encoder("text").prompts.query == "q "  # type: ignore[attr-defined]
    assert json.loads((folder / "finetuning.json").read_text())["verdict"] == "better"
    with pytest.raises(FileExistsError, match="not an empty folder"):
        tuned.save(folder)


def test_sentence_transformers_opens_what_was_saved(tuned: Finetuned, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = tuned.save(tmp_path / "saved")
    library = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    own = library.encode(["abcd efgh"], prompt_name="document", normalize_embeddings=True)
    assert np.allclose(own, sw.load(folder).embed_text(["abcd efgh"]), atol=1e-5)


def test_a_seed_gives_the_same_model_twice(model: str, tuned: Finetuned) -> None:
    assert np.array_equal(vectors(tune(model)), vectors(tuned))
    assert np.abs(vectors(tune(model, seed=1)) - vectors(tuned)).max() > 1e-4


def test_the_callers_random_states_stay(model: str) -> None:
    import random

    import torch

    before = random.getstate(), torch.get_rng_state(), np.random.get_state()[1]
    tune(model, epochs=0.2)
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert np.array_equal(np.random.get_state()[1], before[2])


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[4:]
import senseweave as sw
from PIL import Image
from safetensors.numpy import load_file
from tiny_training import SETTINGS, pairs

def count(done, total):
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

sw.finetune(sys.argv[1], pairs(), folder=sys.argv[2], progress=count, **SETTINGS)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL is of Unix")
@pytest.mark.parametrize("step", [2, 12, 26])
def test_a_killed_run_goes_on_and_gives_the_same_model(model: str, tuned: Finetuned, tmp_path: Path, step: int) -> None:
    paths = [str(Path(__file__).parent), *sys.path]
    done = warm_python.run("-c", KILLED, model, str(tmp_path / "run"), str(step), *paths, env=os.environ)
    assert done.returncode != 0
    resumed = tune(model, folder=tmp_path / "run")
    assert resumed.run.resumed == (step // 8 * 8 or None)
    assert np.array_equal(vectors(resumed), vectors(tuned))
    assert resumed.report.to_dict() == tuned.report.to_dict()


def test_the_learning_curve_is_in_the_report_and_beside_the_model(model: str, tuned: Finetuned, tmp_path: Path) -> None:
    report = json.loads((tuned.save(tmp_path / "saved") / "finetuning.json").read_text())
    points = {point["step"]: point for point in report["curve"]["points"]}
    assert report["curve"]["measure"] == "nDCG@10"
    assert {step for step, point in points.items() if point["score"] is not None} == {0, 8, 16, 24, 32}
    assert points[0]["loss"] is None
    assert points[2]["loss"] > points[32]["loss"] > 0
    assert points[report["curve"]["kept"]]["score"] == max(point["score"] or 0 for point in points.values())
    assert (tmp_path / "saved" / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
    card = (tmp_path / "saved" / "README.md").read_text()
    assert "![Learning curve](learning-curve.png)" in card
    kept = next(line for line in str(tuned.report).splitlines() if line.endswith("kept") and "#" in line)
    assert kept in card
    assert tuned.report.plot(tmp_path / "curve.svg").read_text().startswith("<?xml")


def test_a_run_without_rows_for_stopping_draws_its_losses(model: str) -> None:
    report = tune(model, patience=0, epochs=1).report
    assert report.to_dict()["curve"]["measure"] is None
    lines = str(report).splitlines()
    assert any(line.split() == ["step", "loss", "loss"] for line in lines)
    assert sum("####" in line for line in lines) == len(report.curve.losses) > 2


def test_held_out_rows_that_nearly_equal_rows_of_training_are_not_measured(model: str) -> None:
    rows = pairs(80)
    long = [(f"{first} {second} {first}", second) for first, second in rows]
    near = [(f"{first} zz", second) for (first, _), (_, second) in zip(long[:24], pairs(24, seed=3), strict=True)]
    report = tune(model, long + near, epochs=0.3).report
    assert 0 < len(report.leaks) < 16
    assert report.rows["held out"] == report.heldout.queries == 21 - len(report.leaks)
    assert f"held-out rows left out, since they nearly equal rows of training: {len(report.leaks)}\n" in str(report)
    for leak in report.leaks:
        first, second = (part.strip("' ") for part in leak.rpartition(" (")[0].split(" resembles "))
        assert first in second or second in first
    assert tune(model, rows, epochs=0.3).report.leaks == []


def test_evaluation_queries_that_are_trained_on_are_told(model: str) -> None:
    report = tune(model, evaluation=[*pairs(4), *pairs(6, seed=8)], epochs=0.3).report
    assert report.heldout.queries == report.rows["held out"] == 10
    assert [note for note in report.notes if note.startswith("4 of 10 evaluation queries nearly equal")]


@pytest.mark.skipif(not has_bf16("cpu"), reason="the processor has no bfloat16")
def test_bf16_trains_on_a_processor_that_has_it(model: str, tuned: Finetuned) -> None:
    half = tune(model, precision="bf16")
    assert half.report.verdict == "better"
    assert half.run.losses[max(half.run.losses)] < half.run.losses[min(half.run.losses)]
    assert half.run.losses != tuned.run.losses
    assert str(half.report).startswith("better: mnrl in bf16 on 115 trained")
    assert half.report.to_dict()["precision"] == "bf16"
    assert {str(value.dtype) for value in load_file(Path(half.space.name) / "model.safetensors").values()} == {
        "float32"
    }
    assert np.isfinite(vectors(half)).all()


def test_training_on_several_devices_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match=r"training computes on one device, not on cpu, cuda:0"):
        tune(model, device=["cpu", "cuda:0"])


def test_a_precision_that_the_device_has_not_is_refused(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    with pytest.raises(ModelError, match=r"precision='fp16' needs a CUDA device, and this run is on 'cpu'"):
        tune(model, precision="fp16")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False}, raising=False)
    with pytest.raises(ModelError, match=r"precision='bf16': this processor has no instructions for it; use 'fp32'"):
        tune(model, precision="bf16")


def test_a_checkpoint_that_was_cut_is_left_out(model: str, tuned: Finetuned, tmp_path: Path) -> None:
    tune(model, folder=tmp_path / "run")
    for checkpoint in (tmp_path / "run" / "checkpoints").glob("checkpoint-*"):
        (checkpoint / "trainer_state.json").write_text("{")
    again = tune(model, folder=tmp_path / "run")
    assert again.run.resumed is None
    assert np.array_equal(vectors(again), vectors(tuned))


def test_a_folder_of_another_run_is_refused(model: str, tmp_path: Path) -> None:
    tune(model, folder=tmp_path / "run", epochs=0.2)
    with pytest.raises(ModelError, match="other data, of another model or with other settings"):
        tune(model, folder=tmp_path / "run", epochs=0.3)


def test_a_folder_whose_record_is_damaged_is_refused(model: str, tmp_path: Path) -> None:
    tune(model, folder=tmp_path / "run", epochs=0.2)
    record = tmp_path / "run" / "checkpoints" / "run.json"
    assert [path.name for path in record.parent.iterdir() if path.suffix == ".part"] == []
    for content in ("", "[]", "{}"):
        record.write_text(content)
        with pytest.raises(ModelError, match=r"run\.json does not say to which run its checkpoints belong"):
            tune(model, folder=tmp_path / "run", epochs=0.2)


def test_a_run_that_diverges_says_so(model: str) -> None:
    with pytest.raises(ModelError, match="smaller learning_rate"):
        tune(model, learning_rate=1e12, patience=0, epochs=1)


def scored(rows: list[tuple[str, str]]) -> list[tuple[str, str, float]]:
    """Pairs that belong together, and as many that do not."""
    others = [answer for _, answer in rows[1:] + rows[:1]]
    good = [(first, answer, 1.0) for first, answer in rows]
    return good + [(first + " x", other + " y", 0.0) for (first, _), other in zip(rows, others, strict=True)]


def triplets(rows: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    return [(first, answer, other) for (first, answer), (_, other) in zip(rows, rows[1:] + rows[:1], strict=True)]


def test_a_triplets_negative_is_pushed_away(model: str) -> None:
    tuned = tune(model, triplets(pairs()), loss="triplet", patience=0)
    sample = triplets(pairs(60, seed=12))

    def margin(space: sw.Space) -> float:
        anchors = space.embed_text([row[0] for row in sample], role="query")
        answers, others = (space.embed_text([row[column] for row in sample]) for column in (1, 2))
        return float((anchors * (answers - others)).sum(axis=1).mean())

    assert margin(tuned.space) > 1.5 * margin(sw.load(model))


@pytest.mark.parametrize(("loss", "measure"), [("contrastive", "nDCG@10"), ("cosine", "Spearman")])
def test_scored_pairs_are_learned(model: str, loss: str, measure: str) -> None:
    report = tune(model, scored(pairs()), loss=loss).report
    assert report.heldout.measure == measure
    assert report.heldout.difference.mean > 0, str(report)


def test_texts_alone_are_measured_by_their_halves(model: str) -> None:
    texts = [f"{first} {answer}" for first, answer in pairs()]
    report = tune(model, texts, loss="simcse").report
    assert report.heldout.queries == 32
    assert report.verdict in ("better", "worse", "cannot tell")


def test_a_student_comes_nearer_to_its_teacher(model: str, tuned: Finetuned) -> None:
    report = tune(model, [first for first, _ in pairs()], loss="distill", teacher=tuned.space).report
    assert report.heldout.measure == "cosine to the teacher"
    assert report.verdict == "better", str(report)


def test_a_student_learns_translations_of_what_its_teacher_reads(model: str, tuned: Finetuned) -> None:
    rows = [(first, first.upper()) for first, _ in pairs()]
    report = tune(model, rows, loss="distill", teacher=tuned.space).report
    assert report.heldout.measure == "nDCG@10"


def test_a_cross_encoders_margins_are_learned(model: str, tmp_path: Path) -> None:
    from tiny_rerankers import save_cross_encoder

    teacher = save_cross_encoder(tmp_path / "cross")
    report = tune(model, triplets(pairs(60)), loss="margin", teacher=str(teacher)).report
    assert report.rows["held out"] == 12


@pytest.mark.parametrize(
    "options",
    [
        {"batch_items": 4},
        {"matryoshka": [32, 8]},
        {"hard_negatives": 2},
        {"adapter": "lora"},
        {"batch_items": 8, "guide": True},
    ],
    ids=["cached", "matryoshka", "mined", "lora", "guided"],
)
def test_ranking_loss_takes_its_options(model: str, options: dict[str, Any]) -> None:
    if options.get("guide"):
        options = {**options, "guide": model}
    report = tune(model, **options).report
    assert report.heldout.difference.mean > -0.2, str(report)


def test_the_cached_gradient_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    still = tiny_training.save_model(tmp_path / "still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    settings = {"epochs": 1, "patience": 0, "learning_rate": 1e-3}
    whole, cached = tune(still, **settings), tune(still, batch_items=4, **settings)
    assert np.allclose(vectors(whole), vectors(cached), atol=1e-4)


def test_an_adapter_is_merged_into_weights_that_sentence_transformers_opens(model: str, tmp_path: Path) -> None:
    tuned = tune(model, adapter="lora", learning_rate=1e-2)
    folder = Path(str(tuned.space.name))
    assert not list(folder.rglob("adapter_*"))
    base = sw.load(model).embed_text(["abcd efgh"])
    assert np.abs(tuned.space.embed_text(["abcd efgh"]) - base).max() > 1e-3


def test_mined_negatives_are_no_answers_and_no_likely_answers() -> None:
    from senseweave.training.finetuning.negatives import add_hard_negatives

    corpus = [sw.Text(name) for name in ("right", "also right", "too near", "near", "far")]
    documents = np.array([[1, 0], [0.99, 0.1], [0.98, 0.2], [0.8, 0.6], [0, 1]], np.float32)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    rows = [{"anchor": sw.Text("q"), "positive": corpus[0]}, {"anchor": sw.Text("q"), "positive": corpus[1]}]
    found = add_hard_negatives(rows, documents[[0, 0]], documents, corpus, count=2)
    assert [[row["negative"].decode(), row["negative_2"].decode()] for row in found] == [
        ["near", "far"],
        ["near", "far"],
    ]


def test_no_item_is_trained_on_and_held_back() -> None:
    from senseweave.training.finetuning.rows import make_rows, split_rows

    rows = make_rows([(f"q{n}", f"a{n % 40}") for n in range(200)], "mnrl")
    trained, stopping, heldout = split_rows(rows, 0.2, 3, stop=True)
    sides = [{item for row in side for item in row.values()} for side in (trained, stopping, heldout)]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    assert sum(map(len, (trained, stopping, heldout))) == 200


def test_a_model_that_is_not_better_says_so_when_it_is_saved(model: str, tmp_path: Path) -> None:
    worse = tune(model, learning_rate=1e-9)
    assert worse.report.verdict == "cannot tell"
    with pytest.warns(TrainingWarning, match="'cannot tell': nDCG@10 changed by"):
        worse.save(tmp_path / "saved")


def test_forgetting_is_measured_on_other_data(model: str) -> None:
    report = tune(model, general=pairs(40, seed=4)).report
    assert report.forgetting is not None
    assert report.forgetting.comparison.queries == 40
    assert 0 < report.forgetting.neighbors_kept < 1
    assert "neighbors kept" in str(report)


@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        ([("a", "b")] * 3, {}, "are needed"),
        ([], {}, "no rows"),
        ([("a",)] * 9, {}, "row 1 has no positive"),
        ([("a", "b"), ("", "c")], {}, "row 2: anchor is an empty text"),
        ([("a", "b", "high")], {"loss": "cosine"}, "row 1: label must be a finite number"),
        ([("a", 3)], {}, "row 1: positive must be a string or media, not int"),
        ([("a", "b")], {"loss": "distill"}, "needs a teacher"),
        ([("a", "b")], {"loss": "infonce"}, "loss must be"),
        ([("a", "b")], {"loss": "cosine", "hard_negatives": 2}, "is an option of the loss"),
        ([("a", "b")], {"epochs": 0}, "epochs must be a number above 0, not 0"),
        ([("a", "b")], {"epochs": float("nan")}, "epochs must be a number above 0, not nan"),
        ([("a", "b")], {"batch_size": 1}, "at least 2, since the other rows of a batch are the negatives, not 1"),
        ([("a", "b")], {"batch_size": 2.5}, "batch_size must be a whole number"),
        ([("a", "b")], {"batch_items": 0}, "batch_items must be a whole number of at least 1, not 0"),
        ([("a", "b")], {"learning_rate": 0}, "learning_rate must be a number above 0, not 0"),
        ([("a", "b")], {"hard_negatives": -1}, "hard_negatives must be a whole number of at least 0, not -1"),
        ([("a", "b")], {"warmup": 2}, "warmup must be a share from 0 to 1, not 2"),
        ([("a", "b", 0.5)], {"loss": "contrastive"}, r"row 1: label is 0\.5; expected 1 for a pair"),
        ([("a", "b", 1), ("c", "d", -1)], {"loss": "contrastive"}, "row 2: label is -1; expected 1 for a pair"),
        ([("a", "b", 4.6)], {"loss": "cosine"}, r"label is 4\.6; expected how alike .*from 0 to 5 are divided by 5"),
        ([("a", None)], {}, "row 1 has no positive.*fewer values, or None"),
        (pandas.DataFrame([("a", "b")]), {}, "DataFrame gives its columns in place of its rows; pass frame.to_dict"),
        (3, {}, "expected rows, or the path of a table, not int"),
        (
            [("a", "b")],
            {"columns": {"ancor": "q"}},
            "columns must give .* by anchor, positive,.*not by 'ancor'",
        ),
        ([("a", "b")], {"columns": ["q", "a"]}, "columns must give the data's names by"),
        ([("a", "b")], {"validation": "0.2"}, "validation must be a share between 0 and 1, such as 0.2, not '0.2'"),
        ([("a", "b")], {"seed": -1}, "seed must be a whole number from 0 to 4294967295, not -1"),
        ([("a", "b")], {"seed": 1.5}, "seed must be a whole number"),
        ([("a", "b")], {"seed": 2**32}, "seed must be a whole number"),
        ([("a", "b")], {"matryoshka": (0,)}, r"matryoshka must be a list of numbers of dimensions, .* not \(0,\)"),
        ([("a", "b")], {"matryoshka": 8}, "matryoshka must be a list"),
        ([("a", "b")], {"matryoshka": "8"}, "matryoshka must be a list"),
        ([("a", "b")], {"augment": {"smell": len}}, "augment must give a change by modality .text, image"),
        ([("a", "b")], {"augment": {"text": 1}}, "augment must give a change by modality"),
        ([("a", "b")] * 9, {"evaluation": []}, "evaluation: there are no rows"),
        ([("a", "b")] * 9, {"general": [("a",)]}, "general: row 1 has no positive"),
        ([("a", "b"), ("c", "d", "e")], {}, "row 2 has the columns anchor, positive, negative, and the first"),
    ],
)
def test_bad_data_and_options_are_named(model: str, data: Any, options: dict[str, Any], error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        tune(model, data, **options)


def test_a_text_that_names_a_file_is_a_text(model: str, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"no picture")
    rows = [(f"{picture} {first}", f"https://example.com/{first.split()[0]}.jpg") for first, _ in pairs(72)]
    report = tune(model, rows[:60], evaluation=rows[60:], epochs=0.5).report  # the path makes all of them much alike
    assert report.rows["held out"] == 12


COLORS = {"red": (220, 30, 20), "green": (20, 180, 60), "blue": (20, 60, 220), "yellow": (230, 220, 30)}


def picture(color: tuple[int, int, int], seed: int) -> sw.Image:
    """A picture of one color with noise, whose vector a tiny tower can learn."""
    noise = np.random.default_rng(seed).integers(-20, 20, (32, 32, 3))
    return sw.Image(Image.fromarray(np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)))


def test_an_image_text_model_learns_pairs_of_both(tmp_path: Path) -> None:
    from tiny_image_text import make_clip

    (tmp_path / "clip").mkdir()
    model = make_clip(tmp_path / "clip")
    rows = [(f"{name} {seed}", picture(color, seed)) for seed in range(20) for name, color in COLORS.items()]
    measured = [(name, picture(color, 50)) for name, color in COLORS.items()]
    options = {"augment": {"image": change_pictures(least=0.9)}, "evaluation": measured, "general": rows[:8]}
    with pytest.raises(ValueError, match="held-out rows nearly equal rows of training"):
        tune(model, rows, batch_size=4, patience=0, **{**options, "evaluation": None})
    tuned = tune(model, rows, batch_size=4, patience=0, **options)
    assert tuned.space.modalities == ("text", "image")
    assert tuned.run.losses[max(tuned.run.losses)] < tuned.run.losses[min(tuned.run.losses)]
    texts = tuned.space.embed_text(list(COLORS), role="query")
    pictures = tuned.space.embed([picture(color, 99) for color in COLORS.values()])
    assert ((texts @ pictures.T).argmax(axis=1) == range(4)).mean() >= 0.75


def test_a_table_is_read_with_its_pictures(tmp_path: Path) -> None:
    from senseweave.training.finetuning.rows import make_rows

    for seed, (name, color) in enumerate(COLORS.items()):
        picture(color, seed).decode().save(tmp_path / f"{name}.png")
    lines = ["caption,image", *(f"{name},{name}.png" for name in COLORS)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    rows = make_rows(tmp_path / "pairs.csv", "mnrl")
    assert [row["positive"].modality for row in rows] == ["image"] * 4
    assert rows[0]["anchor"].decode() == "red"
    (tmp_path / "pairs.csv").write_text("caption,image\nred,gone.png\n")
    with pytest.raises(sw.MediaError, match=r"gone\.png"):
        make_rows(tmp_path / "pairs.csv", "mnrl")[0]["positive"].decode()


def test_a_head_learns_behind_an_encoder_of_any_modality(tmp_path: Path) -> None:
    def hum(pitch: float, seed: int) -> sw.Audio:
        draw = np.random.default_rng(seed)
        time = np.arange(16000) / 16000
        wave = np.sin(2 * np.pi * pitch * draw.uniform(0.97, 1.03) * time) * 0.3 + draw.normal(0, 0.02, 16000)
        return sw.Audio((wave.astype(np.float32), 16000))

    pitches = [200 + 90 * number for number in range(40)]
    rows = [(hum(pitch, 1), hum(pitch, 2)) for pitch in pitches]
    tuned = sw.finetune(
        "starter:sound-features", rows, adapter="head", epochs=8, batch_size=16, learning_rate=1e-3, device="cpu"
    )
    assert tuned.space.modalities == ("audio",)
    assert tuned.report.heldout.difference.mean >= 0, str(tuned.report)
    folder = tuned.save(tmp_path / "head")
    sounds = [hum(pitch, 3) for pitch in pitches[:4]]
    own, base = sw.load(folder).embed(sounds), sw.load("starter:sound-features").embed(sounds)
    assert np.abs(own - base).max() > 1e-3
    head = load_file(folder / "heads.safetensors")["source.0.weight"]
    expected = base @ head
    assert np.allclose(own, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-4)


def test_an_untrained_head_is_the_encoder_itself(model: str) -> None:
    tuned = tune(model, adapter="head", learning_rate=1e-12)
    sample = [first for first, _ in pairs(20, seed=9)]
    assert np.allclose(tuned.space.embed_text(sample), sw.load(model).embed_text(sample), atol=1e-5)
    with pytest.raises(ValueError, match="not run again"):
        tune(model, adapter="head", augment={"text": lambda text, draw: text})


@pytest.mark.parametrize("kind", ["sentence-transformers", "model2vec"])
def test_a_static_model_learns_and_is_what_was_saved(kind: str, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    base = save_static(tmp_path / "static", kind=kind)
    tuned = tune(base, learning_rate=0.05, epochs=3, batch_size=16)
    tuned.save(tmp_path / "tuned")
    texts = ["a small dog", "/etc/hostname", "rain"]
    assert np.abs(tuned.space.embed_text(texts) - sw.load(base).embed_text(texts)).max() > 0.01
    saved = sw.load(str(tmp_path / "tuned"), cache_size=0).embed_text(texts)
    np.testing.assert_allclose(saved, tuned.space.embed_text(texts), atol=1e-6)


@pytest.mark.parametrize("name", ["contextual:{}", "tokens:{}", "sentence:{}", "starter:image-features"])
def test_a_name_with_a_family_says_how_it_is_trained(model: str, name: str) -> None:
    with pytest.raises(ModelError, match=r"named without a family before it; .*adapter='head'"):
        tune(name.format(model), pairs(40))
