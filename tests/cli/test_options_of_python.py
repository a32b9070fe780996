"""The command line has the options that Python has: `search` those of `Index.search`, `index` those of `Index.add`."""

import inspect
import json
from pathlib import Path

import pytest
from command_line import piped
from typer.main import get_command

import senseweave as sw
from senseweave.cli.app import app
from senseweave.cli.options import numbers_by_modality
from senseweave.errors import SenseweaveError

CALLED = {
    "search": {"modalities": "modality", "filter": "conditions", "weights": "weight"},
    "index": {"inputs": "paths"},
}
"""What the command line calls an argument, where it is not the argument's own name."""
LEFT_OUT = {
    "search": set(),
    "index": {
        "metadata",  # by file: a script says it better; `import` takes it from JSON
        "on_error",  # a named file that fails is told by the exit code, another is listed
        "progress",  # is always shown
        "overlap",  # how texts and recordings are cut is for those who measure it, in Python
        "characters",
        "character_overlap",
    },
}
"""Arguments that have no option, and why."""


@pytest.mark.parametrize(("command", "called"), [("search", sw.Index.search), ("index", sw.Index.add)])
def test_every_argument_has_an_option(command, called):
    arguments = set(inspect.signature(called).parameters) - {"self"}
    options = {parameter.name: parameter for parameter in get_command(app).commands[command].params}
    names = {CALLED[command].get(argument, argument): argument for argument in arguments}
    assert {argument for name, argument in names.items() if name not in options} == LEFT_OUT[command]
    assert all(options[name].help for name in names if name in options)


def found(place: Path, *arguments: object) -> list[tuple[str, float]]:
    done = piped("search", place, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [(hit["id"], round(hit["score"], 4)) for hit in json.loads(done.stdout)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({"quota": {"audio": 1, "text": 1}}, ("--quota", "audio=1", "--quota", "text=1")),
        (
            {"fusion": "weighted_rrf", "weights": {"audio": 9, "text": 0.5}},
            ("--fusion", "weighted_rrf", "--weight", "audio=9", "--weight", "text=.5"),
        ),
    ],
    ids=["quota", "weight"],
)
def test_numbers_by_modality_change_a_search_as_in_python(home: Path, options, arguments):
    with sw.Index.open(home / "index") as index:
        expected = [(hit.id, round(hit.score, 4)) for hit in index.search("a cat", k=2, **options)]
        assert expected != [(hit.id, round(hit.score, 4)) for hit in index.search("a cat", k=2)]
    assert found(home / "index", "a cat", "-k", 2, *arguments) == expected


@pytest.mark.parametrize(
    ("option", "entries", "number", "says"),
    [
        ("--quota", ["image"], int, "--quota expects a modality with a whole number, such as image=2, not 'image'"),
        ("--quota", ["image=1.5"], int, "--quota expects a modality with a whole number"),
        ("--quota", ["imge=1"], int, "'imge' is not a modality"),
        ("--quota", ["image=1", "image=2"], int, "--quota is given twice for image"),
        ("--weight", ["image=much"], float, "--weight expects a modality with a number"),
    ],
)
def test_numbers_that_cannot_be_are_an_error(option, entries, number, says):
    with pytest.raises(SenseweaveError, match=says):
        numbers_by_modality(option, entries, number)


@pytest.mark.slow
def test_numbers_that_a_search_refuses_are_an_error_of_one_line(home: Path):
    done = piped("search", home / "index", "a cat", "--weight", "image=2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: weights belong to the method weighted_rrf, not to ")
    assert len(done.stderr.splitlines()) == 1
