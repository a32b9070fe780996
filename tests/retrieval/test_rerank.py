"""Reranking by tiny models with random weights, by models that stand in, and by rerankers of the user's own."""

import pickle
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from pdf_objects import write_pages
from tiny_models import import_tiny

import senseweave as sw
from senseweave.encoders.rerankers.base import Scores
from senseweave.errors import RerankWarning
from senseweave.retrieval.search.rerank import as_reranker

pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="module")
def rerankers(tmp_path_factory):
    """The module that saves tiny rerankers, and a folder for them."""
    module = import_tiny("tiny_rerankers")
    module.folder = tmp_path_factory.mktemp("rerankers")
    return module


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory):
    """A BERT cross-encoder of two layers with random weights, saved to a folder."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("cross-encoder")
    words = ["red", "green", "blue", "white", "the", "last", "train", "leaves", "at", "midnight", "sound", "wall"]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words) + 5,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=1,
        initializer_range=1.0,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizerFast(str(vocabulary)).save_pretrained(folder)
    return str(folder)


def test_hits_come_in_the_order_of_the_cross_encoder(index, cross_encoder):
    from sentence_transformers import CrossEncoder

    plain = index.search("the last train", k=12)
    hits = index.search("the last train", k=12, rerank=cross_encoder)
    expected = CrossEncoder(cross_encoder).predict([("the last train", hit.text) for hit in plain])
    by_id = {hit.id: float(score) for hit, score in zip(plain, expected, strict=True)}
    assert [hit.score for hit in hits] == pytest.approx(sorted(by_id.values(), reverse=True), abs=1e-5)
    assert {hit.id: hit.score for hit in hits} == pytest.approx(by_id, abs=1e-5)
    assert [hit.id for hit in hits] != [hit.id for hit in plain]
    assert hits[0].calibration == f"rerank:{cross_encoder}"


@pytest.mark.parametrize("name", ["", "  ", None, 5])
def test_a_reranker_has_a_name(index, name):
    with pytest.raises(TypeError, match="str"):
        sw.load_reranker(name)
    if isinstance(name, str):
        with pytest.raises(TypeError, match="the name of a reranker must be a string"):
            index.search("red", rerank=name)


def test_a_folder_of_a_reranker_may_be_a_path(cross_encoder):
    loaded = sw.load_reranker(Path(cross_encoder))
    assert loaded.name == sw.load_reranker(str(cross_encoder)).name
    assert pickle.loads(pickle.dumps(loaded)).name == loaded.name


def test_only_the_best_hits_are_read_again(index, cross_encoder):
    kept = {hit.id for hit in index.search("red", k=3)}
    assert {hit.id for hit in index.search("red", k=3, rerank=cross_encoder, rerank_depth=3)} == kept


def test_a_picture_alone_cannot_be_reranked_by_words(index, cross_encoder, corpus_folder):
    with pytest.raises(ValueError, match="reads text, but the query has no text"):
        index.search(sw.Image(corpus_folder / "red.png"), rerank=cross_encoder)


class ByLength:
    """Prefers records with longer lines."""

    name = "by length"

    def scores(self, query, hits):
        return np.array([len(hit.text) for hit in hits], dtype=np.float64)


def test_any_object_with_scores_can_rerank(index):
    hits = index.search("red", k=4, rerank=ByLength())
    assert [len(hit.text) for hit in hits] == sorted(
        (len(hit.text) for hit in index.search("red", k=12)), reverse=True
    )[:4]
    assert {hit.calibration for hit in hits} == {"by length"}


def test_a_reranker_knows_the_words_that_a_hit_holds(index):
    known = {}

    class ByWords:
        name = "by words"

        def scores(self, query, hits):
            known.update({hit.id: hit.matched_words for hit in hits})
            return [len(hit.matched_words) for hit in hits]

    hits = index.search("red sunset", k=3, words=True, rerank=ByWords())
    assert hits[0].matched_words
    assert [known[hit.id] for hit in hits] == [hit.matched_words for hit in hits]


@pytest.mark.parametrize("scores", [["a"], {1: 2}, (score for score in [1.0]), object()])
def test_scores_that_are_no_numbers_are_an_error_that_names_the_reranker(index, scores):
    class Odd:
        name = "odd"

        def scores(self, query, hits):
            return scores

    with pytest.raises(ValueError, match="odd must return a list or an array of numbers, not "):
        index.search("red", k=3, rerank=Odd())


def test_a_tensor_that_has_no_array_is_an_error_that_names_the_reranker(index):
    torch = pytest.importorskip("torch")

    class Learned:
        name = "learned"

        def scores(self, query, hits):
            return torch.ones(len(hits), requires_grad=True)

    with pytest.raises(ValueError, match="learned must return a list or an array of numbers, not tensor"):
        index.search("red", k=3, rerank=Learned())


class Sees:
    """Stands where a model that sees would, and keeps what it is given."""

    reads_together = True

    def reads(self, role):
        return {"text", "image"}

    def score(self, query, documents):
        self.query, self.documents = query, documents
        return Scores(np.arange(len(documents), dtype=np.float64), {}, (0,) * len(documents))


@pytest.fixture
def sees(monkeypatch):
    model = Sees()
    monkeypatch.setattr("senseweave.encoders.rerankers.loading.load_scorer", lambda name, options: model)
    return model


def test_a_model_that_sees_is_given_pictures(index, corpus_folder, sees):
    query = sw.Query([("red", 1), (sw.Image(corpus_folder / "red.png"), 1)])
    index.search(query, k=4, rerank="a-model", modalities={"image"})
    assert sees.query["text"] == "red"
    assert sees.query["image"].size == sees.documents[0].size == (8, 8)
    sees.reads_together = False
    index.search(query, k=4, rerank="a-model", modalities={"image"})
    assert sees.query == "red"


def test_a_picture_that_is_gone_is_read_by_its_line(index, corpus_folder, sees):
    (corpus_folder / "red.png").unlink()
    hits = index.search("red", k=4, rerank="a-model", modalities={"image"})
    assert sum(isinstance(document, str) for document in sees.documents) == 1
    assert len(hits) == 4


def test_a_hit_that_cannot_be_scored_comes_last_and_is_named(index, sees):
    def score(query, documents):
        values = np.linspace(-3, -2, len(documents))
        values[1] = np.nan
        return Scores(values, {1: "out of memory"}, (0, 0, 7) + (0,) * (len(documents) - 3))

    sees.score = score
    plain = index.search("red", k=4)
    with pytest.warns(RerankWarning, match=r"rerank:a-model: 7 tokens of 1 of 4 .*number 2: out of memory"):
        hits = index.search("red", k=4, rerank="a-model", rerank_depth=4)
    assert hits[-1].id == plain[1].id
    assert np.isfinite([hit.score for hit in hits]).all()
    assert hits[-1].score < hits[-2].score
    sees.score = lambda query, documents: Scores(
        np.full(len(documents), np.nan), dict.fromkeys(range(len(documents)), "no memory"), (0,) * len(documents)
    )
    with pytest.raises(ValueError, match=r"can score none of the 4 hits.*no memory"):
        index.search("red", k=4, rerank="a-model", rerank_depth=4)


@pytest.mark.parametrize("kind", ["multi-vector", "sparse"])
def test_hits_come_in_the_order_of_their_vectors(index, kind, rerankers):
    save = {"multi-vector": rerankers.save_colbert, "sparse": rerankers.save_splade}[kind]
    folder = str(save(rerankers.folder / kind))
    plain = index.search("the last train", k=12)
    model = sw.load_reranker(folder).model
    query, documents = model.embed(["the last train"], "query"), model.embed([hit.text for hit in plain])
    expected = dict(zip([hit.id for hit in plain], model.similarity(query, documents)[0], strict=True))
    hits = index.search("the last train", k=12, rerank=folder)
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, rel=1e-4)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_pages_come_in_the_order_of_colpali(index, rerankers):
    reranker = sw.load_reranker(str(rerankers.save_colpali(rerankers.folder / "colpali")))
    with pytest.warns(RerankWarning, match="could not be scored"):
        hits = index.search("red", k=12, rerank=reranker)
    seen = [hit.modality == "image" for hit in hits]
    assert seen == sorted(seen, reverse=True)
    assert 0 < sum(seen) < len(seen)
    best = reranker.score("red", [hit.media for hit in hits if hit.modality == "image"]).values
    assert [hit.score for hit in hits][: len(best)] == pytest.approx(list(best))


def test_a_reranker_given_by_name_is_loaded_once(index, cross_encoder, monkeypatch):
    import sentence_transformers

    made = []
    real = sentence_transformers.CrossEncoder
    monkeypatch.setattr(sentence_transformers, "CrossEncoder", lambda *args, **kw: made.append(1) or real(*args, **kw))
    for question in ("red", "green"):
        index.search(question, rerank=cross_encoder)
    assert len(made) == 1


def test_a_reranker_is_made_again_in_another_process(cross_encoder):
    reranker = sw.load_reranker(cross_encoder, batch_tokens=64)
    copy = pickle.loads(pickle.dumps(reranker))
    np.testing.assert_allclose(copy.score("red", ["the wall"]).values, reranker.score("red", ["the wall"]).values)


class Partly:
    """Scores pictures alone."""

    name = "partly"

    def scores(self, query, hits):
        return [1.0 if hit.modality == "image" else float("nan") for hit in hits]


def test_a_hit_without_a_score_comes_last_in_its_place_and_is_named(index):
    plain = index.search("red", k=12)
    with pytest.warns(RerankWarning, match=r"partly: 8 of 12 hits have no score and come last; \w+ \w+\.\w+ #\w{8}"):
        hits = index.search("red", k=12, rerank=Partly())
    order = sorted(plain, key=lambda hit: hit.modality != "image")
    assert [hit.id for hit in hits] == [hit.id for hit in order]
    with pytest.raises(ValueError, match=r"partly scores none of the 4 hits; text \w+\.txt #\w{8}: the score is nan"):
        index.search("red", k=4, modalities={"text"}, rerank=Partly())


def test_a_hit_that_a_model_cannot_score_is_named_by_its_place(index, sees, corpus_folder):
    sees.reads = lambda role: {"text"} if role == "query" else {"image"}
    with pytest.warns(
        RerankWarning, match=r"number \d: (audio|text) cannot be read by this model \((audio|text) \S+ #"
    ):
        index.search("red", k=12, rerank="a-model")


class Reads:
    """Stands in for OCR."""

    def lines(self, image, seconds=None, least_score=None):
        return ["beware of the white dog"], True


def test_the_words_in_a_picture_are_read_with_it(index, sees, tmp_path, write_picture, monkeypatch):
    monkeypatch.setattr("senseweave.media.kinds.picture_text.line_reader", Reads)
    monkeypatch.setattr("senseweave.media.kinds.picture_text.is_installed", lambda: True)
    sees.reads = lambda role: {"text"}
    index.add(write_picture(tmp_path / "sign.png", "red", 9), ocr="on")
    for question in (sw.Query(["red"]), sw.Query(["beware of the white dog"])):
        hits = index.search(question, k=20, rerank="a-model")
        assert sum(hit.source == str(tmp_path / "sign.png") for hit in hits) == 1
        assert sum("beware of the white dog" in document for document in sees.documents) == 1
    sees.reads = lambda role: {"text", "image"}
    index.search("beware of the white dog", k=20, rerank="a-model")
    assert not any("beware" in document for document in sees.documents if isinstance(document, str))


def test_a_passage_of_a_page_is_shown_to_a_model_that_reads_no_text(index, sees, tmp_path):
    sees.reads = lambda role: {"text"} if role == "query" else {"image"}
    (tmp_path / "pages.pdf").write_bytes(write_pages([["the last train leaves"], ["at midnight"]]))
    index.add(tmp_path / "pages.pdf")
    found = {"mime_type": "application/pdf"}
    hits = index.search("the last train", k=4, rerank="a-model", modalities={"text"}, filter=found)
    assert {hit.page for hit in hits} == {1, 2}
    assert [picture.size for picture in sees.documents] == [(1200, 1600)] * 2


def test_a_reranker_of_another_distribution_is_named_by_its_scheme(index, monkeypatch):
    point = EntryPoint("longest", f"{__name__}:longest", "senseweave.rerankers")
    monkeypatch.setattr(
        "senseweave.retrieval.search.reranker.entry_points", lambda group, name: [point] if name == point.name else []
    )
    monkeypatch.setattr(EntryPoint, "load", lambda self: longest)
    hits = index.search("red", k=12, rerank="longest:text")
    lengths = [len(hit.text) for hit in hits]
    assert lengths == sorted(lengths, reverse=True)
    with pytest.raises(sw.ModelError, match=r"the reranker 'longest' of .* cannot be loaded: KeyError: 'other'"):
        index.search("red", rerank="longest:other")
    with pytest.raises(sw.ModelError, match="is NoneType, expected one with `name` and `scores`"):
        index.search("red", rerank="longest:none")


def longest(name):
    return {"text": ByLength(), "none": None}[name]


def test_a_name_becomes_a_reranker():
    assert as_reranker("some/model").name == "rerank:some/model"


def test_a_class_of_rerankers_is_no_reranker():
    with pytest.raises(TypeError, match="rerank must be the name of a cross-encoder"):
        as_reranker(ByLength)
