"""What importing the package costs, and that it lives beside other packages of the namespace."""

from __future__ import annotations

from pathlib import Path

import pytest
from leaf import build_wheel, import_beside_others, list_heavy_modules

pytestmark = pytest.mark.slow


def test_importing_the_package_adds_no_heavy_library_to_what_the_framework_loads() -> None:
    assert (
        list_heavy_modules("from llama_index.embeddings.senseweave import SenseweaveEmbedding; SenseweaveEmbedding()")
        == []
    )


@pytest.mark.integration
def test_other_packages_of_the_namespace_still_import() -> None:
    import_beside_others("llama_index.embeddings")


def test_the_wheel_holds_nothing_above_the_leaf(tmp_path: Path) -> None:
    names = build_wheel(Path(__file__).parents[1], tmp_path)
    leaf = "llama_index/embeddings/senseweave/"
    assert {f"{leaf}__init__.py", f"{leaf}py.typed"} <= set(names)
    assert all(name.startswith(leaf) for name in names)
