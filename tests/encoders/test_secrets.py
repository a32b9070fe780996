"""The key of an embedding API is in nothing that is kept, shown or sent on."""

import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from key_server import KEY, holds_key, key_server

import senseweave as sw


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("PLANTED_KEY", KEY)
    with key_server() as served:
        yield served


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + pickle.dumps(error).decode("latin-1")


def test_the_key_is_in_no_representation_log_error_pickle_index_or_export(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    space = sw.load("openai:m", base_url=url, key_variable="PLANTED_KEY", max_retries=0, cache_size=0)
    with sw.Index(tmp_path / "index", spaces=[space]) as index:
        assert index.add([sw.Text("a dog")]).added == 1
        assert index.search("a dog")[0].text == "a dog"
        index.export(tmp_path / "export.jsonl")
        said = [str(index.info()), repr(index)]
    encoder = space.encoder("text")
    said += [repr(space), str(vars(space)), repr(encoder), str(vars(encoder)), str(encoder.identity())]
    said += [space.fingerprint, pickle.dumps(space).decode("latin-1")]
    with pytest.raises(sw.ModelError, match="answered 401") as caught:
        space.embed_text(["poison"])
    said += [shown(caught.value), caplog.text]
    assert "[key]" in str(caught.value)
    with pytest.raises(sw.MediaError, match="the server answered") as long:
        space.embed_text(["long"])
    assert KEY[:6] not in shown(long.value)
    kept = [file.read_bytes().decode("latin-1") for file in tmp_path.rglob("*") if file.is_file()]
    assert any("PLANTED_KEY" in text for text in kept)  # what names the key is recorded, so the search looks at it
    assert not [text for text in said + kept if holds_key(text)]


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": f"http://user:{KEY}@localhost:1/v1"},
        {"base_url": f"http://{KEY}@localhost:1/v1"},
        {"base_url": f"http://localhost:1/v1?api_key={KEY}"},
        {"base_url": f"http://localhost:1/v1#{KEY}"},
        {"key_variable": KEY},
    ],
)
def test_a_key_in_an_option_is_refused_without_repeating_it(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="environment variable") as caught:
        sw.load("openai:m", **options)
    assert not holds_key(shown(caught.value))


def test_a_key_in_the_address_of_the_environment_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://user:{KEY}@localhost:1/v1")
    with pytest.raises(ValueError, match="OPENAI_BASE_URL must be an address without") as caught:
        sw.load("openai:m", cache_size=0).embed_text(["a"])
    assert not holds_key(shown(caught.value))


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\u201d", f"Bearer {KEY}"])
def test_a_key_that_no_header_can_carry_is_an_error_that_does_not_repeat_it(
    key: str, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PLANTED_KEY", key)
    with pytest.raises(sw.ModelError, match="the key in PLANTED_KEY has a space") as caught:
        sw.load("openai:m", base_url=url, key_variable="PLANTED_KEY", cache_size=0).embed_text(["a"])
    assert not holds_key(shown(caught.value) + caplog.text)
