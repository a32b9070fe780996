"""Arrays are computed once, and again where what is stored cannot be trusted."""

from pathlib import Path

import numpy as np
import platformdirs
import pytest

from senseweave.encoders.runtime.disk_cache import CACHE_VARIABLE, cache_folder, cached_array


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def computed(calls: list[int]) -> np.ndarray:
    calls.append(1)
    return np.arange(6, dtype=np.float32).reshape(2, 3)


def test_an_array_is_computed_once_for_equal_keys(folder: Path) -> None:
    calls: list[int] = []
    first = cached_array({"model": "a", "texts": ["x"]}, lambda: computed(calls))
    second = cached_array({"texts": ["x"], "model": "a"}, lambda: computed(calls))
    np.testing.assert_array_equal(first, second)
    assert second.dtype == np.float32
    assert len(calls) == 1
    assert not list(folder.glob("*.part"))


def test_another_key_is_another_array(folder: Path) -> None:
    calls: list[int] = []
    cached_array({"model": "a"}, lambda: computed(calls))
    cached_array({"model": "b"}, lambda: computed(calls))
    assert len(calls) == 2


@pytest.mark.parametrize("damage", [b"", b"not an array", b"\x93NUMPY"])
def test_a_damaged_file_is_computed_again(folder: Path, damage: bytes) -> None:
    calls: list[int] = []
    cached_array({"model": "a"}, lambda: computed(calls))
    next(folder.glob("*.npy")).write_bytes(damage)
    np.testing.assert_array_equal(cached_array({"model": "a"}, lambda: computed(calls)), computed([]))
    assert len(calls) == 2


def test_an_empty_variable_turns_the_cache_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "")
    calls: list[int] = []
    cached_array({"model": "a"}, lambda: computed(calls))
    cached_array({"model": "a"}, lambda: computed(calls))
    assert len(calls) == 2
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("in the way", encoding="utf-8")
    monkeypatch.setenv(CACHE_VARIABLE, str(file / "cache"))
    assert cached_array({"model": "a"}, lambda: computed([])).shape == (2, 3)


def test_the_default_folder_is_in_the_cache_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    assert cache_folder() == platformdirs.user_cache_path("senseweave", appauthor=False)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path
