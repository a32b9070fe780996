"""Reranking by cross-encoders: a tiny one with random weights, and rerankers of the user's own."""

import numpy as np
import pytest

import senseweave as sw
from senseweave.retrieval.search.rerank import CrossEncoderReranker, as_reranker

pytest.importorskip("sentence_transformers")


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


class Multimodal:
    """Stands where a multimodal cross-encoder would, and sees what it is given."""

    def predict(self, pairs, **options):
        self.pairs = pairs
        return np.arange(len(pairs), dtype=np.float64)


def test_a_multimodal_reranker_is_given_pictures(index, corpus_folder):
    model = Multimodal()
    query = sw.Query([("red", 1), (sw.Image(corpus_folder / "red.png"), 1)])
    index.search(query, k=4, rerank=CrossEncoderReranker(model, media=True), modalities={"image"})
    asked, shown = model.pairs[0]
    assert asked["text"] == "red"
    assert asked["image"].size == shown.size == (8, 8)


def test_a_model_with_several_scores_per_pair_is_refused(index):
    class Three:
        def predict(self, pairs, **options):
            return np.zeros((len(pairs), 3))

    with pytest.raises(ValueError, match="one score per pair"):
        index.search("red", rerank=CrossEncoderReranker(Three()))


def test_a_name_becomes_a_cross_encoder():
    assert as_reranker("some/model").name == "rerank:some/model"
