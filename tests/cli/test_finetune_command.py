"""`senseweave finetune`: from a table to a saved model, or to one line that says why not."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest
from command_line import piped

import senseweave as sw

sys.path[:0] = [str(Path(__file__).parents[1] / "training"), str(Path(__file__).parents[1] / "encoders" / "tiny")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_training import pairs, save_model

    folder = tmp_path_factory.mktemp("finetune")
    save_model(folder / "tiny")
    rows = [json.dumps({"question": first, "reply": second}) for first, second in pairs(60)]
    random.Random(0).shuffle(rows)
    (folder / "pairs.jsonl").write_text("\n".join(rows))
    return folder


def test_a_table_becomes_a_model(folder: Path) -> None:
    done = piped(
        "finetune", "pairs.jsonl", "--model", "tiny", "--out", "tuned", "--column", "positive=reply", "--epochs", 2,
        "--learning-rate", 0.003, "--batch-size", 16, "--device", "cpu", folder=folder,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    assert "12 held out" in done.stdout
    assert "saved in tuned, with learning-curve.png" in done.stdout
    assert (folder / "tuned" / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
    assert "learning curve" in done.stdout
    assert sw.load(folder / "tuned").embed_text(["abcd"]).shape == (1, 32)


def test_json_gives_the_whole_report(folder: Path) -> None:
    done = piped(
        "finetune", "pairs.jsonl", "--model", "tiny", "--out", "tuned-json", "--column", "positive=reply",
        "--epochs", 0.5, "--device", "cpu", "--json", folder=folder,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert report["verdict"] in ("better", "worse", "cannot tell")
    assert report["rows"]["held out"] == 12
    assert report["curve"]["points"]
    assert report["leaks"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.csv", "--out", "x"], "gone.csv: no such file"),
        (["pairs.jsonl", "--out", "tiny"], "tiny holds something else (1_Pooling"),
        (["pairs.jsonl", "--out", "pairs.jsonl/x", "--model", "nowhere"], "pairs.jsonl is a file"),
        (["tiny", "--out", "x"], "tiny: is a folder; expected a table"),
        (["pairs.jsonl", "--out", "x", "--epochs", "0"], "epochs must be a number above 0"),
        (["pairs.jsonl", "--out", "x", "--model", "tiny"], "has no positive"),
        (["pairs.jsonl", "--out", "x", "--loss", "infonce"], "loss must be"),
        (["pairs.jsonl", "--out", "x", "--column", "positive"], "expected COLUMN=NAME"),
        (
            ["pairs.jsonl", "--out", "x", "--device", "cpu", "--precision", "fp16"],
            "precision='fp16' needs a CUDA device",
        ),
        (["pairs.jsonl", "--out", "x", "--precision", "int8"], "precision must be"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_2(folder: Path, arguments: list[str], said: str) -> None:
    done = piped("finetune", *arguments, folder=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
