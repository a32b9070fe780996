"""What a recorded name and its options ask for, and what allows it."""

from pathlib import Path
from typing import Any

import pytest

import senseweave as sw
from senseweave.spaces import recorded
from senseweave.spaces.recorded import KINDS, check_recorded, demands, parse_trust, remember


@pytest.fixture(autouse=True)
def _nothing_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSEWEAVE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(recorded, "_written", {})
    monkeypatch.delenv("SENSEWEAVE_TRUST", raising=False)


def kinds(name: Any, options: Any = None) -> set[str]:
    return {demand.kind for demand in demands(name, options)}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("starter", {}),
        ("starter", {"max_length": 128, "window_seconds": 15.0, "normalize": True}),
        ("speaker:resemblyzer", {}),
        ("frames:starter", {"pooling": "mean", "frames": 4, "options": {"max_length": 32}}),
        ("bridge:starter", {"image": "ocr", "template": "a photo of {}", "temperature": 0.5}),
        ("starter", {"prompts": {"query": "query: "}, "layers": [-1, -2], "trust_remote_code": False, "dtype": None}),
    ],
)
def test_packaged_weights_and_harmless_options_ask_for_nothing(name: str, options: dict[str, Any]) -> None:
    assert demands(name, options) == []


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("starter", {"trust_remote_code": True}, {"code"}),
        ("frames:starter", {"options": {"trust_remote_code": 1}}, {"code"}),
        ("openai:m", {}, {"server"}),
        ("openai:m", {"base_url": "http://127.0.0.1/v1"}, {"server"}),
        ("starter", {"base_url": "http://127.0.0.1/v1"}, {"server"}),
        ("starter", {"key_variable": "HOME"}, {"server"}),
        ("openai:m", {"tokenizer": "owner/name"}, {"server", "download"}),
        ("owner/name", {}, {"download"}),
        ("sentence:owner/name", {"revision": "main"}, {"download"}),
        ("frames:owner/name", {}, {"download"}),
        ("bridge:starter", {"image": "labels:owner/name"}, {"download"}),
        ("bridge:starter", {"image": "labels:timm:resnet18.a1_in1k"}, {"download"}),
        ("bridge:starter", {"audio": "transcribe:/models/whisper"}, {"path"}),
        ("clip:owner/name", {"text": "../model"}, {"download", "path"}),
        ("/models/x", {}, {"path"}),
        ("~/models/x", {}, {"path"}),
        ("./x", {}, {"path"}),
        ("C:\\models\\x", {}, {"path"}),
        ("open_clip:ViT-B-32//weights.bin", {}, {"path"}),
        ("speaker:weights/../x", {}, {"path"}),
        ("https://host/model", {}, {"path"}),
        ("a\0b", {}, {"path"}),
        ("starter", {"policy": {"network": True}}, {"option"}),
        ("starter", {"prompts": {"query": 3}}, {"option"}),
        ("starter", {"pooling": {"a": {"b": 1}}}, {"option"}),
        ("starter", [1], {"option"}),
        ("", {}, {"option"}),
        (None, {}, {"option"}),
        ("x" * 5000, {}, {"option"}),
        ("frames:" * 500 + "starter", {}, {"option"}),
    ],
)
def test_everything_else_is_asked_for(name: Any, options: Any, expected: set[str]) -> None:
    assert kinds(name, options) == expected


def test_options_inside_options_are_read_to_a_depth() -> None:
    options: dict[str, Any] = {}
    for _ in range(500):
        options = {"options": options}
    assert kinds("frames:starter", options) == {"option"}


def test_a_folder_that_exists_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert kinds("model") == {"path"}


def test_the_error_names_place_demands_and_kinds_in_a_single_line() -> None:
    options = {"base_url": "http://127.0.0.1/\x1b[31m\n", "key_variable": "SECRET", "trust_remote_code": True}
    with pytest.raises(sw.TrustError) as caught:
        check_recorded("index", "openai:m", options)
    assert caught.value.kinds == ("server", "code")
    text = str(caught.value)
    assert "index" in text
    assert "'SECRET'" in text
    assert "http://127.0.0.1/" in text
    assert "Python files" in text
    assert "\n" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("allowed", ["server", ["server"], {"server", "code"}, True, KINDS])
def test_the_caller_allows_kinds(allowed: Any) -> None:
    asked = check_recorded("index", "openai:m", {"base_url": "http://127.0.0.1"}, allowed)
    assert [demand.kind for demand in asked] == ["server", "server"]


def test_other_kinds_allow_nothing() -> None:
    with pytest.raises(sw.TrustError, match="server"):
        check_recorded("index", "openai:m", {}, {"code", "download", "path", "plugin", "option"})


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'servers'.*server"):
        parse_trust("servers")  # type: ignore[arg-type]


def test_a_block_allows_kinds_and_ends() -> None:
    with sw.trust("server"):
        check_recorded("index", "openai:m", {})
        with sw.trust("code"):
            check_recorded("index", "openai:m", {"trust_remote_code": True})
        with pytest.raises(sw.TrustError):
            check_recorded("index", "openai:m", {"trust_remote_code": True})
    with pytest.raises(sw.TrustError):
        check_recorded("index", "openai:m", {})
    with sw.trust():
        check_recorded("index", "openai:m", {"trust_remote_code": True, "tokenizer": "/x", "unknown": "x"})


def test_the_environment_allows_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSEWEAVE_TRUST", "path, server")
    check_recorded("index", "openai:m", {})
    with pytest.raises(sw.TrustError):
        check_recorded("index", "owner/name", {})
    monkeypatch.setenv("SENSEWEAVE_TRUST", "all")
    check_recorded("index", "owner/name", {"trust_remote_code": True})
    monkeypatch.setenv("SENSEWEAVE_TRUST", "everything")
    with pytest.raises(ValueError, match="everything"):
        check_recorded("index", "starter", {})


def test_folders_and_downloads_that_were_named_before_are_allowed_and_nothing_else(tmp_path: Path) -> None:
    remember("sentence:owner/name", {"revision": "main", "trust_remote_code": True})
    remember(str(tmp_path), {})
    remember("openai:m", {})
    check_recorded("index", "sentence:owner/name", {"revision": "main"})
    check_recorded("index", str(tmp_path), {})
    for name, options in (
        ("sentence:owner/name", {"revision": "other"}),
        ("sentence:owner/name", {"revision": "main", "trust_remote_code": True}),
        ("contextual:owner/name", {"revision": "main"}),
        (str(tmp_path / "x"), {}),
        ("openai:m", {}),
    ):
        with pytest.raises(sw.TrustError):
            check_recorded("index", name, options)


def test_what_is_remembered_does_not_say_what_was_named(tmp_path: Path) -> None:
    remember("owner/secret-project", {})
    remember("owner/secret-project", {})
    content = (tmp_path / "data" / "named-models.txt").read_text()
    assert "secret" not in content
    assert len(content.split()) == 1


def test_nothing_is_remembered_where_that_is_turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSEWEAVE_DATA", "")
    remember("owner/name", {})
    with pytest.raises(sw.TrustError):
        check_recorded("index", "owner/name", {})
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SENSEWEAVE_DATA", str(tmp_path / "file"))
    remember("owner/other", {})  # cannot be written, which is no error
    with pytest.raises(sw.TrustError):
        check_recorded("index", "owner/other", {})


def test_naming_a_model_looks_into_no_cache_and_remembers_it_although_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorded, "is_cached", lambda *_: pytest.fail("looked into the cache of the hub"))
    remember("owner/name", {})
    monkeypatch.setattr(recorded, "is_cached", lambda *_: False)
    assert [demand.kind for demand in check_recorded("index", "owner/name", {})] == ["download"]
    monkeypatch.setattr(recorded, "is_cached", lambda *_: True)
    assert check_recorded("index", "another/name", {}) == []
