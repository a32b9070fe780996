"""Another installed distribution brings a family: it is listed, found by its files, loaded, and keeps the contract."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

EXAMPLE = Path(__file__).parent / "example_family"
SOURCE = Path(__file__).parents[2] / "src"
MODELS = "import sys; from senseweave.cli import main; sys.argv.insert(1, 'models'); main()"
RUN = Callable[..., subprocess.CompletedProcess[str]]


def install(site: Path, name: str, module: str, content: str, entry_points: str) -> None:
    """Install a distribution as pip does: a module, and the metadata beside it."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[senseweave.families]\n{entry_points}\n")
    (site / f"{module}.py").write_text(content)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed distributions with the example in it."""
    content = (EXAMPLE / "example_family.py").read_text()
    install(tmp_path / "site", "example-family", "example_family", content, "example = example_family")
    return tmp_path / "site"


@pytest.fixture
def run(site: Path, tmp_path: Path) -> RUN:
    """Run Python in a process that sees the distributions of `site`."""

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(SOURCE)]), "COLUMNS": "200"}
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=300)

    return python


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"words": np.eye(16, dtype=np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "example", "hidden_size": 16}))
    return folder


def test_the_entry_point_that_is_tested_is_the_one_that_the_package_declares() -> None:
    import tomllib

    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"senseweave.families": {"example": "example_family"}}


def test_a_model_of_a_plugin_loads_by_scheme_and_by_its_files(run: RUN, model: Path) -> None:
    done = run(
        "-c",
        f"""
import senseweave as sw
named, found = sw.load("example:{model}", lowercase=False), sw.load({str(model)!r})
print(named.name, named.embed_text(["A Dog"]).shape, named.fingerprint != found.fingerprint)
try:
    sw.load("example:{model}", lowercasing=False)
except TypeError as error:
    print(error)
""",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"example:{model} (1, 16) True",
        "example has no option lowercasing; it has: device, revision, max_length, lowercase",
    ]


def test_without_the_distribution_its_scheme_and_files_are_unknown(model: Path) -> None:
    import senseweave as sw

    with pytest.raises(sw.ModelError, match="'example', which is unknown"):
        sw.load(f"example:{model}")
    with pytest.raises(sw.ModelError, match=r"does not know \(example\)"):
        sw.load(str(model))


def test_models_lists_a_plugin_after_the_built_in_families(run: RUN) -> None:
    listed = run("-c", MODELS)
    assert listed.returncode == 0, listed.stderr
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert ["example", "text", "any", "by", "model", "example:path/to/model"] in rows
    one = run("-c", MODELS, "example").stdout
    assert "lowercase: bool" in one
    assert "pip install" not in one


def test_a_built_in_family_keeps_its_scheme_and_its_checkpoints(run: RUN, site: Path, model: Path) -> None:
    content = (EXAMPLE / "example_family.py").read_text()
    other = content.replace('scheme="example"', 'scheme="clip"').replace('_type("example")', '_type("clip", "bert")')
    install(site, "greedy-family", "greedy_family", other, "clip = greedy_family\nexample = greedy_family")
    done = run(
        "-c",
        """
import logging; logging.basicConfig(format="%(message)s")
from senseweave.encoders.registry import families, family_for
print([family.build.__module__ for family in families() if family.scheme in ("clip", "example")])
print(family_for("clip").build.__module__)
""",
    )
    assert done.stdout.splitlines() == [
        "['senseweave.encoders.families.clip', 'example_family']",
        "senseweave.encoders.families.clip",
    ]
    assert done.stderr.splitlines() == [
        "greedy-family brings a model family 'clip', which senseweave has itself; the built-in family is used",
        "two distributions bring the model family 'example': example-family and greedy-family; "
        "that of example-family is used",
    ]


def test_a_rule_of_a_plugin_does_not_change_how_a_known_checkpoint_is_loaded(run: RUN, site: Path) -> None:
    content = (EXAMPLE / "example_family.py").read_text()
    other = content.replace('scheme="example"', 'scheme="greedy"')
    other = other.replace('Rule(has_model_type("example"))', "Rule(lambda signs: True, priority=0)")
    install(site, "greedy-family", "greedy_family", other, "greedy = greedy_family")
    done = run(
        "-c",
        """
from senseweave.encoders.detection import Signs
from senseweave.encoders.registry import detect
for kind in ("bert", "llama"):
    print(detect(Signs("m", frozenset({"config.json"}), {"model_type": kind}, (), {})).scheme)
""",
    )
    assert done.stdout.splitlines() == ["contextual", "greedy"], done.stderr


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("import no_such_library", "cannot be imported: ModuleNotFoundError: No module named 'no_such_library'"),
        ("", "cannot be imported: AttributeError: module 'broken_family' has no attribute 'FAMILY'"),
        ("FAMILY = 3", "is int, expected senseweave.encoders.family.Family"),
        ("from example_family import FAMILY", "says that its scheme is 'example'; the entry point must have that name"),
    ],
)
def test_a_broken_plugin_is_reported_once_and_breaks_no_other(
    run: RUN, site: Path, model: Path, content: str, problem: str
) -> None:
    install(site, "broken-family", "broken_family", content, "broken = broken_family")
    done = run(
        "-c",
        f"""
import logging; logging.basicConfig(format="%(message)s")
import senseweave as sw
from senseweave.encoders.registry import families
print(len(sw.load({str(model)!r}).embed_text(["a"])), [family.scheme for family in families()][-1])
families()
try:
    sw.load("broken:model")
except sw.ModelError as error:
    print(error)
""",
    )
    assert done.returncode == 0, done.stderr
    message = f"the model family 'broken' of the distribution broken-family (broken_family) {problem}"
    assert done.stdout.splitlines() == ["1 example", message]
    assert done.stderr.splitlines() == [message]


def test_the_example_keeps_the_contract_of_every_encoder(run: RUN, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", str(tmp_path / "tests"))
    assert done.returncode == 0, done.stdout + done.stderr
    passed = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
    assert len(passed) == 17, done.stdout
    assert "skipped" not in done.stdout
