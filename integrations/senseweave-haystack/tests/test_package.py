"""The package: what the wheel holds, headers, and the documentation's list of modules."""

import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

PACKAGE = Path(__file__).parents[1]
SOURCES = sorted((PACKAGE / "src").rglob("*.py"))


def test_the_wheel_has_no_init_above_the_leaves_and_a_py_typed_in_each(tmp_path):
    pytest.importorskip("hatchling")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    leaves = {name.rpartition("/")[0] for name in names if name.endswith("/__init__.py")}
    assert leaves == {
        "haystack_integrations/common/senseweave",
        "haystack_integrations/components/builders/senseweave",
        "haystack_integrations/components/converters/senseweave",
        "haystack_integrations/components/embedders/senseweave",
        "haystack_integrations/components/retrievers/senseweave",
        "haystack_integrations/components/writers/senseweave",
    }
    assert {f"{leaf}/py.typed" for leaf in leaves} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert all(name.startswith(("haystack_integrations/", "senseweave_haystack-")) for name in names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_source_file_has_a_licence_header_and_says_what_it_is_for(path):
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# SPDX-FileCopyrightText:")
    assert "# SPDX-License-Identifier: Apache-2.0" in lines[:4]
    assert any(line.startswith('"""') for line in lines[:5])


def test_the_documentation_lists_every_module_with_a_component():
    config = yaml.safe_load((PACKAGE / "pydoc" / "config_docusaurus.yml").read_text())
    listed = set(config["loaders"][0]["modules"])
    for name in listed:
        importlib.import_module(name)
    with_components = {
        ".".join(path.relative_to(PACKAGE / "src").with_suffix("").parts)
        for path in SOURCES
        if "\n@component\n" in path.read_text()
    }
    assert listed == with_components
