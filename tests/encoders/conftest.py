"""Families under contract: each test that takes `case` runs once per family listed here."""

from __future__ import annotations

import itertools
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "tiny"))

from contract_case import Case
from tiny_audio import AUDIO_FAMILIES
from tiny_bridges import BRIDGE_FAMILIES
from tiny_contextual import CONTEXTUAL_FAMILIES
from tiny_image import IMAGE_FAMILIES
from tiny_image_text import IMAGE_TEXT_FAMILIES
from tiny_omni import OMNI_FAMILIES
from tiny_openai import OPENAI_FAMILIES
from tiny_sentence import SENTENCE_FAMILIES
from tiny_speaker import SPEAKER_FAMILIES
from tiny_starter import STARTER_FAMILIES
from tiny_video import VIDEO_FAMILIES

FAMILIES: list[Case] = [
    *CONTEXTUAL_FAMILIES,
    *SENTENCE_FAMILIES,
    *IMAGE_TEXT_FAMILIES,
    *IMAGE_FAMILIES,
    *AUDIO_FAMILIES,
    *SPEAKER_FAMILIES,
    *OMNI_FAMILIES,
    *VIDEO_FAMILIES,
    *OPENAI_FAMILIES,
    *BRIDGE_FAMILIES,
    *STARTER_FAMILIES,
]
"""Another family adds its list of cases from a file of its own in `tiny/`."""


def pytest_configure(config: pytest.Config) -> None:
    config.senseweave_families = FAMILIES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", FAMILIES, ids=[case.id for case in FAMILIES], scope="module")


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """The folder of a case's tiny model, made once."""
    made: dict[str, Path] = {}

    def folder(case: Case) -> Path:
        if case.id not in made:
            path = tmp_path_factory.mktemp(case.id) / "model"
            path.mkdir()
            _names[path] = case.make(path)
            made[case.id] = path
        return made[case.id]

    return folder


_names: dict[Path, str] = {}


@pytest.fixture(scope="session")
def name_of(folder_of: Callable[[Case], Path]) -> Callable[[Case], str]:
    """What `sw.load` is given for a case's tiny model."""
    return lambda case: _names[folder_of(case)]


@pytest.fixture(scope="module")
def items_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], list[Any]]:
    """Distinct items of a case."""
    made: dict[str, list[Any]] = {}

    def items(case: Case) -> list[Any]:
        if case.id not in made:
            made[case.id] = case.items(tmp_path_factory.mktemp("items"))
        return made[case.id]

    return items


@pytest.fixture(scope="session")
def load(name_of: Callable[[Case], str], folder_of: Callable[[Case], Path]) -> Callable[..., Any]:
    """A space of a case's tiny model on the CPU; without a cache, so that every vector is computed."""
    import senseweave as sw

    def loaded(case: Case, **options: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return sw.load(name_of(case), **{"cache_size": 0, **case.options_at(folder_of(case)), **options})

    return loaded


@pytest.fixture
def copy_of(folder_of: Callable[[Case], Path], tmp_path: Path) -> Callable[[Case], Path]:
    """A copy of the folder of a case's tiny model, for a test to change."""

    def copied(case: Case) -> Path:
        source = folder_of(case)
        return Path(shutil.copytree(source, tmp_path / source.name, symlinks=True))

    return copied


_different = itertools.count(1)


@pytest.fixture
def load_from(
    name_of: Callable[[Case], str], folder_of: Callable[[Case], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Case, Path], Any]:
    """A space of a case's model in another folder than that in which it was made; never one that is there already."""
    import senseweave as sw

    def loaded(case: Case, folder: Path) -> Any:
        if case.relocate is not None:
            case.relocate(monkeypatch, folder)
        name = name_of(case).replace(str(folder_of(case)), str(folder))
        return sw.load(name, **{"cache_size": next(_different), **case.options_at(folder)})

    return loaded


@pytest.fixture(scope="session")
def embed() -> Callable[..., Any]:
    """Embed items of a case's modality."""

    def embedded(space: Any, case: Case, items: list[Any], **options: Any) -> Any:
        return getattr(space, f"embed_{case.modality}")(items, **options)

    return embedded
