"""What the package declares is what is tested."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import langchain_senseweave

PACKAGE = Path(__file__).parents[2]


def test_the_minimum_versions_that_are_tested_are_those_that_are_declared():
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["chroma"]]
    lowest = dict(re.match(r"([\w-]+)>=([\d.]+)", item).groups() for item in declared if ">=" in item)
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)$", (PACKAGE / "tests" / "requirements-min.txt").read_text(), re.M))
    del lowest["senseweave"]
    assert {name: _numbers(version) for name, version in pinned.items()} == {
        name: _numbers(version) for name, version in lowest.items()
    }


def test_the_version_is_that_of_the_distribution():
    hatch = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["tool"]["hatch"]["version"]
    assert f'__version__ = "{langchain_senseweave.__version__}"' in (PACKAGE / hatch["path"]).read_text()


def test_nothing_depends_on_packages_that_are_archived_or_heavy():
    declared = (PACKAGE / "pyproject.toml").read_text()
    for name in ("langchain-community", "langchain-experimental", "langchain-classic", "torch"):
        assert name not in declared


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
