"""The options of the ranking engine through SenseweaveChromaRetriever, from the constructor and for a call."""

from uuid import uuid4

import pytest
from haystack import Document, Pipeline
from haystack_integrations.components.retrievers.senseweave import SenseweaveChromaRetriever
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

from senseweave import TrustError

EAST = [1.0, 0.0]
SIMILARITIES = {"talk-0": 0.9, "talk-1": 0.89, "diary": 0.7, "photo": 0.5}


class LastFirst:
    """A reranker that turns the order round."""

    name = "last first"

    def scores(self, query, hits):
        assert "what is north?" in str(query)
        return [float(position) for position in range(len(hits))]


def _retriever(**options):
    store = ChromaDocumentStore(collection_name=f"ranking-{uuid4().hex}", distance_function="cosine")
    places = {
        "talk-0": {"modality": "audio", "source": "/talk.mp3", "start": 0.0, "end": 1.0},
        "talk-1": {"modality": "audio", "source": "/talk.mp3", "start": 1.0, "end": 2.0},
        "diary": {"modality": "text", "source": "/diary.txt"},
        "photo": {"modality": "image", "source": "/photo.png"},
    }
    documents = [
        Document(id=key, content=key, meta=places[key], embedding=[value, (1 - value**2) ** 0.5])
        for key, value in SIMILARITIES.items()
    ]
    store.write_documents(documents)
    return SenseweaveChromaRetriever(document_store=store, **options)


def _ids(result):
    return [document.id for document in result["documents"]]


CASES = {
    "min_score": ({"min_score": 0.6}, ["talk-0", "talk-1", "diary"]),
    "offset": ({"offset": 3}, ["photo"]),
    "group": ({"group": True}, ["talk-0", "diary", "photo"]),
    "quota": ({"quota": {"image": 1}}, ["talk-0", "photo"]),
    "diversity": ({"diversity": 0.9}, ["talk-0", "photo"]),
    "rerank": ({"rerank": LastFirst()}, ["photo", "diary", "talk-1", "talk-0"]),
}


@pytest.mark.parametrize("case", CASES)
async def test_options_hold_in_the_constructor_and_for_a_call(case):
    options, expected = CASES[case]
    question = {"query_embedding": EAST, "query": "what is north?", "top_k": 2 if len(expected) == 2 else 4}
    plain = _retriever()
    assert _ids(plain.run(**question)) == list(SIMILARITIES)[: question["top_k"]]
    assert _ids(plain.run(**question, options=options)) == expected
    set_up = _retriever(**options)
    assert _ids(set_up.run(**question)) == expected
    assert await set_up.run_async(**question) == set_up.run(**question)


def test_scores_stay_similarities_and_embeddings_are_left_out():
    found = _retriever().run(query_embedding=EAST, options={"quota": {"image": 1}}, top_k=2)["documents"]
    assert [document.score for document in found] == pytest.approx([0.9, 0.5], abs=1e-6)
    assert [document.embedding for document in found] == [None, None]
    kept = _retriever(offset=1).run(query_embedding=EAST, return_embedding=True)["documents"]
    assert all(document.embedding is not None for document in kept)


def test_filters_hold_for_what_is_ranked():
    texts = {"field": "meta.modality", "operator": "==", "value": "text"}
    assert _ids(_retriever(group=True).run(query_embedding=EAST, filters=texts)) == ["diary"]


def test_options_survive_a_pipeline_in_yaml():
    pipeline = Pipeline()
    pipeline.add_component("retriever", _retriever(group=True, min_score=0.6))
    loaded = Pipeline.loads(pipeline.dumps())
    found = loaded.run({"retriever": {"query_embedding": EAST, "options": {"min_score": 0.8}}})["retriever"]
    assert _ids(found) == ["talk-0"]


def test_a_reranker_that_a_file_names_is_not_trusted(tmp_path):
    data = _retriever().to_dict()
    data["init_parameters"]["rerank"] = str(tmp_path)
    with pytest.raises(TrustError, match="SenseweaveChromaRetriever"):
        SenseweaveChromaRetriever.from_dict(data)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fusion": "rrf"}, "unknown option 'fusion'; there are quota, min_score"),
        ({"diversity": 2.0}, "diversity must be between 0 and 1"),
        ({"rerank": LastFirst()}, "a reranker reads the query"),
    ],
)
def test_options_that_make_no_sense_are_errors_that_say_why(options, reason):
    with pytest.raises(ValueError, match=reason):
        _retriever().run(query_embedding=EAST, options=options)
    with pytest.raises(ValueError, match="LastFirst cannot be serialized as rerank"):
        _retriever(rerank=LastFirst()).to_dict()


def test_modalities_of_a_call_stand_in_place_of_those_of_the_constructor():
    only = _retriever(modalities=["image", "text"], filters={"field": "meta.source", "operator": "!=", "value": "x"})
    assert _ids(only.run(query_embedding=EAST)) == ["diary", "photo"]
    assert _ids(only.run(query_embedding=EAST, modalities=["audio"])) == ["talk-0", "talk-1"]
    assert _ids(only.run(query_embedding=EAST, options={"offset": 1})) == ["photo"]
    assert SenseweaveChromaRetriever.from_dict(only.to_dict()).modalities == ["image", "text"]
    for wrong in ({"modalities": []}, {"modalities": ["smell"]}):
        with pytest.raises(ValueError, match="modalit"):
            only.run(query_embedding=EAST, **wrong)
        with pytest.raises(ValueError, match="modalit"):
            _retriever(**wrong)
