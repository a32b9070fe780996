"""`--option` of the command line, and `info --space`, which says what computes a model."""

import json
import sys
from pathlib import Path

import pytest
from command_line import piped

pytestmark = pytest.mark.slow


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[1] / "encoders" / "tiny"), *sys.path])
    from tiny_text import save_model

    return f"contextual:{save_model(tmp_path / 'model', 'Bert')}"


def test_info_shows_what_computes_a_model(model):
    facts = json.loads(piped("info", "--space", model, "--option", "backend=torch", "--json").stdout)
    assert facts["modalities"] == ["text"]
    assert facts["dimension"] == 32
    assert facts["backends"]["text"]["backend"] == "torch"
    assert facts["backends"]["text"]["precision"] == "fp32"
    shown = piped("info", "--space", model, "--option", "backend=torch", "--option", "device=cpu").stdout
    assert facts["fingerprint"] in shown
    assert "text: backend: torch" in shown
    assert "text: short texts: packed" in shown
    assert "text: loss: none" in shown


def test_an_index_takes_options_of_its_model_and_keeps_them(model, tmp_path):
    (tmp_path / "rain.txt").write_text("rain falls on the roof of the old house")
    arguments = ("--space", model, "--option", "pooling=max", "--option", "backend=torch")
    done = piped("index", tmp_path / "rain.txt", "--into", tmp_path / "index", *arguments)
    assert done.returncode == 0, done.stderr
    plain = json.loads(piped("info", "--space", model, "--json").stdout)["fingerprint"]
    pooled = json.loads(piped("info", "--space", model, "--option", "pooling=max", "--json").stdout)["fingerprint"]
    (collection,) = json.loads(piped("info", tmp_path / "index", "--json").stdout)["collections"]
    assert collection["fingerprint"] == pooled != plain
    found = piped("search", tmp_path / "index", "rain", "--json", "--trust", "path")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)[0]["source"].endswith("rain.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--option", "backend"), "--option expects NAME=VALUE"),
        (("--option", "bakend=onnx"), "contextual has no option bakend"),
        (("--option", "backend=fast"), "backend must be 'auto', 'torch', 'onnx' or 'openvino'"),
        (("--option", 'max_length="9"'), "max_length must be a whole number"),
    ],
)
def test_an_option_that_cannot_be_is_an_error_of_one_line(model, arguments, message):
    done = piped("info", "--space", model, *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_options_are_for_a_model(tmp_path):
    done = piped("info", tmp_path, "--option", "backend=onnx")
    assert "--option is for the model of --space" in done.stderr
