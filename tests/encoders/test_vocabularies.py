"""A tokenizer without its vocabulary is an error, and so is a limit that leaves no room for the words of a text."""

from pathlib import Path

import pytest
from pictures import pictures
from tiny_bridges import captioner
from tiny_clap import clap_maker
from tiny_image_text import make_blip, make_clip
from tiny_omni import maker
from tiny_picture_rerankers import save_qwen
from tiny_rerankers import save_colbert, save_cross_encoder, save_splade
from tiny_sentence import save_sentence_model
from tiny_text import bpe_tokenizer, save_model, unigram_tokenizer

import senseweave as sw

pytestmark = pytest.mark.filterwarnings("ignore")
TEXTS = ["a dog", "rain"]
NAMES = ("tokenizer", "special_tokens", "vocab", "merges", "spiece", "sentencepiece")


def remove_vocabulary(folder):
    for path in folder.rglob("*"):
        if path.name.startswith(NAMES):
            path.unlink()


TYPES = {
    "bert": {"kind": "Bert"},
    "roberta": {"kind": "Roberta", "tokenizer": bpe_tokenizer},
    "mpnet": {"kind": "MPNet"},
    "albert": {"kind": "Albert", "tokenizer": unigram_tokenizer},
    "xlm-roberta": {"kind": "XLMRoberta", "tokenizer": unigram_tokenizer},
}


@pytest.mark.parametrize("scheme", ["sentence", "contextual", "tokens"])
@pytest.mark.parametrize("kind", TYPES)
def test_a_text_model_without_a_vocabulary_is_refused(kind, scheme, tmp_path):
    folder = tmp_path / "model"
    save_sentence_model(folder, **TYPES[kind])
    remove_vocabulary(folder)
    space = sw.load(f"{scheme}:{folder}", cache_size=0)
    with pytest.raises(sw.ModelError, match=r"model has no vocabulary: .*\(tokenizer\.json, or "):
        space.embed_text(TEXTS)


@pytest.mark.parametrize("make", [make_clip, make_blip, maker(make_clip), clap_maker(fused=False)])
def test_a_model_of_texts_and_media_without_a_vocabulary_is_refused(make, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    make(folder)
    remove_vocabulary(folder)
    with pytest.raises(sw.ModelError, match="has no vocabulary"):
        sw.load(str(folder), cache_size=0).embed_text(TEXTS)


@pytest.mark.parametrize("save", [save_cross_encoder, save_colbert, save_splade])
def test_a_reranker_without_a_vocabulary_is_refused(save, tmp_path):
    folder = save(tmp_path)
    remove_vocabulary(folder)
    with pytest.raises(sw.ModelError, match="has no vocabulary"):
        sw.load_reranker(str(folder)).score("a dog", TEXTS)


def save_captioner(folder):
    folder = folder / "model"
    folder.mkdir()
    captioner(folder)
    return folder


@pytest.mark.parametrize("save", [save_captioner, save_qwen])
def test_a_writer_of_captions_without_a_vocabulary_is_refused(save, tmp_path):
    writer = save(tmp_path)
    remove_vocabulary(writer)
    space = sw.load("bridge:starter", image=f"caption:{writer}", cache_size=0)
    with pytest.raises(sw.ModelError, match="has no vocabulary"):
        space.embed_image(pictures(tmp_path)[:1])


def contextual(folder: Path) -> str:
    return f"contextual:{save_model(folder / 'model', 'Bert')}"


def graph(folder: Path) -> str:
    pytest.importorskip("onnxscript")
    return contextual(folder)


ROOMLESS = {
    "sentence": (lambda folder: save_sentence_model(folder / "model"), {}),
    "contextual": (contextual, {}),
    "graph": (graph, {"backend": "onnx"}),
    "clip": (make_clip, {}),
    "starter": (lambda _: "starter", {}),
    "multilingual": (lambda _: "starter:multilingual", {}),
}


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("kind", ROOMLESS)
def test_a_limit_without_room_for_words_is_an_error_of_each_text(kind, limit, tmp_path, monkeypatch):
    monkeypatch.setenv("SENSEWEAVE_CACHE", str(tmp_path / "cache"))
    make, options = ROOMLESS[kind]
    space = sw.load(make(tmp_path), max_length=limit, cache_size=0, **options)
    with pytest.raises(sw.MediaError, match=rf"item 1 of 2.*max_length={limit} leaves no token of a text beside the 2"):
        space.embed_text(TEXTS)


def test_tokens_of_a_text_that_is_not_read_at_all_are_an_error(tmp_path):
    folder = save_model(tmp_path / "model", "Bert")
    space = sw.load(f"tokens:{folder}", max_length=2)
    assert len(space.embed_tokens([""])[0].vectors) == 2
    with pytest.raises(sw.MediaError, match=r"item 2 of 2.*max_length=2"):
        space.embed_tokens(["", "a dog"])


def test_tokens_of_half_a_character_are_an_error_of_the_text(tmp_path):
    space = sw.load(f"tokens:{save_model(tmp_path / 'model', 'Bert')}")
    with pytest.raises(sw.MediaError, match="half a character"):
        space.embed_tokens(["a dog", "a \ud800 dog"])
