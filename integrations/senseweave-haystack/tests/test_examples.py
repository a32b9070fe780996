"""Every example runs offline, on a few files of the sample corpus."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[1] / "examples"


def _example(name):
    spec = importlib.util.spec_from_file_location(f"senseweave_haystack_example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def files(samples):
    names = ("texts/washing-machine.md", "images/photo-15.jpg", "audio/recording-06.wav", "audio/recording-02.flac")
    return [str(samples / name) for name in names]


def test_pipelines_from_yaml(files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _example("pipelines_from_yaml").main("a colourful parrot", *files)
    printed = capsys.readouterr().out
    assert "Documents written, 0 files failed" in printed
    assert "[1] image, photo-15.jpg: macaw" in printed
    assert (tmp_path / "chroma").is_dir()


@pytest.mark.parametrize("name", ["rag", "hybrid"])
def test_an_example_can_be_run_again(name, files, capsys):
    example = _example(name)
    example.main(["When do the swimming lessons for beginners start?", *files])
    first = capsys.readouterr().out
    example.main(["When do the swimming lessons for beginners start?", *files])
    assert capsys.readouterr().out == first


def test_rag(files, capsys):
    _example("rag").main(["When do the swimming lessons for beginners start?", *files])
    answer, source = capsys.readouterr().out.splitlines()
    assert "swimming lessons" in answer.lower()
    assert source.startswith("source: audio recording-06.wav 0.0 to")


def test_agent(files, capsys):
    _example("agent").main(["a colourful parrot", *files])
    printed = capsys.readouterr().out
    assert "I saw 1 images. The best source is [1] image, photo-15.jpg: macaw" in printed


def test_hybrid(files, capsys):
    _example("hybrid").main(["What does error E18 mean?", *files])
    assert capsys.readouterr().out.splitlines()[0].startswith("text washing-machine.md")


def test_a_tuned_model_is_used_by_the_name_of_its_folder(tmp_path):
    example = _example("finetuned_model")
    options = {"epochs": 6, "batch_size": 16, "learning_rate": 1e-4, "general": example.ROWS[:10]}
    assert example.main(tmp_path / "tuned", **options) == "The water tank leaks oil."
