"""The key of an embedding API is in nothing that Haystack writes, shows or logs."""

import logging
import pickle

import pytest
from haystack import Document, Pipeline
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import Secret
from haystack_integrations.components.builders.senseweave import MultimodalPromptBuilder
from haystack_integrations.components.converters.senseweave import MediaToDocument
from haystack_integrations.components.embedders.senseweave import (
    SenseweaveDocumentEmbedder,
    SenseweaveMediaEmbedder,
    SenseweaveTextEmbedder,
)
from key_server import KEY, VARIABLE, holds_key, key_server, written

import senseweave as sw

LINK = f"https://user:{KEY}@host/photo.png?sig={KEY}"


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setenv(VARIABLE, KEY)
    with key_server() as url:
        options = {"base_url": url, "max_retries": 0, "cache_size": 0}
        yield {"model": "openai:m", "api_key": Secret.from_env_var(VARIABLE), "load_options": options}


def test_the_key_is_in_no_yaml_dict_pickle_store_log_or_error(model, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    pipeline = Pipeline()
    pipeline.add_component("documents", SenseweaveDocumentEmbedder(**model, on_error="skip"))
    pipeline.add_component("text", SenseweaveTextEmbedder(**model))
    pipeline.add_component("media", SenseweaveMediaEmbedder(**model))
    pipeline.add_component("files", MediaToDocument(describe_with=model.pop("model"), **model))
    shown = [pipeline.dumps(), str(pipeline.to_dict()), repr(pipeline)]
    for name in ("documents", "text", "media", "files"):
        component = pipeline.get_component(name)
        shown += [repr(component), str(component.to_dict()), pickle.dumps(component).decode("latin-1")]
    embedder = pipeline.get_component("documents")
    found = embedder.run(documents=[Document(content="a dog")])["documents"]
    store = InMemoryDocumentStore()
    store.write_documents(found)
    store.save_to_disk(str(tmp_path / "store.json"))
    shown += [(tmp_path / "store.json").read_text(), repr(found), str(found[0].to_dict())]
    with pytest.raises(sw.ModelError, match="answered 401") as caught:
        pipeline.get_component("text").run(text="poison")
    shown += [written(caught.value), caplog.text]
    assert VARIABLE in shown[0]  # what names the key is written, so the search looks at it
    assert not [text for text in shown if holds_key(text)]


@pytest.mark.parametrize("kind", [SenseweaveTextEmbedder, SenseweaveDocumentEmbedder, MediaToDocument])
@pytest.mark.parametrize(
    "options",
    [
        {"api_key": KEY},
        {"load_options": {"api_key": KEY}},
        {"load_options": {"options": {"headers": {"Authorization": KEY}}}},
        {"load_options": {"base_url": f"http://user:{KEY}@localhost:1/v1"}},
        {"load_options": {"base_url": f"http://localhost:1/v1?api_key={KEY}"}},
    ],
)
def test_a_key_that_yaml_would_hold_is_refused_without_repeating_it(kind, options):
    with pytest.raises((TypeError, ValueError), match=r"Secret\.from_env_var") as caught:
        kind(**options)
    assert not holds_key(written(caught.value))


def test_a_token_is_written_by_no_component(model):
    component = SenseweaveTextEmbedder(**{**model, "api_key": Secret.from_token(KEY)})
    assert not holds_key(repr(component))
    for write in (component.to_dict, lambda: pickle.dumps(component), component.warm_up):
        with pytest.raises(ValueError, match=r"token|environment") as caught:
            write()
        assert not holds_key(written(caught.value))


def test_a_signed_address_is_in_no_prompt_and_no_log(caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    text = Document(content="words", meta={"source": LINK, "file_path": LINK, "modality": "text"})
    image = Document(content="a red square", meta={"source": LINK, "file_path": LINK, "modality": "image"})
    shown = []
    for full_paths in (False, True):
        builder = MultimodalPromptBuilder(full_paths=full_paths)
        shown.append(str(builder.run(documents=[text, image], query="what?")["prompt"]))
    failed = MediaToDocument(on_error="skip").run(sources=[LINK])["failed"]
    assert failed[0]["source"]
    assert "photo.png" in caplog.text
    assert "photo.png" in shown[0]
    assert not [text for text in [*shown, caplog.text] if holds_key(text)]
