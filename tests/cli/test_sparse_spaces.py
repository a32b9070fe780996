"""Sparse spaces on the command line: `index --space`, its options, and what `info` shows of them."""

import json
import sys
from pathlib import Path

import pytest
from command_line import piped

import senseweave as sw

pytestmark = pytest.mark.slow
pytest.importorskip("sentence_transformers")
pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a sparse encoder in which a text weighs the words that it has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(Path(__file__).parents[1] / "encoders" / "tiny"), *sys.path])
        from tiny_rerankers import save_word_weights

    return str(save_word_weights(tmp_path_factory.mktemp("sparse"), ["rain", "roof", "valve", "house"]))


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """The folder of a tiny text model, which has the option `max_length` too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(Path(__file__).parents[1] / "encoders" / "tiny"), *sys.path])
        from tiny_text import save_model

    return f"contextual:{save_model(tmp_path_factory.mktemp('dense'), 'Bert')}"


def test_info_shows_a_sparse_space_of_an_index_and_its_options(model, dense, tmp_path):
    (tmp_path / "rain.txt").write_text("rain falls on the roof of the old house")
    arguments = ("--space", dense, "--space", model, "--option", "max_length=16")
    done = piped("index", tmp_path / "rain.txt", "--into", tmp_path / "index", *arguments)
    assert done.returncode == 0, done.stderr
    fingerprint = sw.load_sparse(model, max_length=16).fingerprint
    facts = json.loads(piped("info", tmp_path / "index", "--json").stdout)
    assert facts["sparse"] == [{"space": model, "fingerprint": fingerprint, "options": {"max_length": 16}}]
    shown = piped("info", tmp_path / "index", COLUMNS="300").stdout
    (line,) = [line for line in shown.splitlines() if fingerprint in line]
    assert model in line
    assert "text (sparse)" in line
    found = piped("search", tmp_path / "index", "rain", "--json", "--trust", "path")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)[0]["source"].endswith("rain.txt")


def test_info_shows_a_sparse_model(model):
    space = sw.load_sparse(model)
    assert json.loads(piped("info", "--space", model, "--json").stdout) == space.info()
    done = piped("info", "--space", model)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{model}: text (sparse); {space.dimension} dimensions; {space.fingerprint}"]
    told = piped("info", "--space", model, "--option", "pooling=max")
    assert told.returncode == 2
    assert "has no option pooling" in told.stderr
