"""Behaviour of SenseweaveRetriever."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import ConfigurableField
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import ValidationError

from langchain_senseweave import MediaLoader, SenseweaveChroma, SenseweaveEmbeddings, SenseweaveRetriever
from senseweave import Audio, Image, Index, MediaError, Text, UnsupportedModalityError


class Seen(BaseCallbackHandler):
    """Remembers what a tracer would be told."""

    def __init__(self) -> None:
        self.starts: list[tuple[str, dict[str, Any]]] = []
        self.ends: list[int] = []

    def on_retriever_start(self, serialized: Any, query: str, *, metadata: Any = None, **kwargs: Any) -> None:
        self.starts.append((query, dict(metadata or {})))

    def on_retriever_end(self, documents: Any, **kwargs: Any) -> None:
        self.ends.append(len(documents))


@pytest.fixture
def files(tmp_path, red_png, blue_png, tone_wav, high_wav, clip_mp4):
    for name, text in [("sea", "the sea is blue"), ("bread", "how to bake bread"), ("dog", "a dog on the grass")]:
        (tmp_path / f"{name}.txt").write_text(text)
    return tmp_path


@pytest.fixture
def store(embeddings, files):
    store = SenseweaveChroma(f"c{uuid.uuid4().hex}", embeddings)
    store.add_media(files)
    return store


@pytest.fixture
def index(space, files, tmp_path_factory):
    with Index(tmp_path_factory.mktemp("index"), spaces=[space]) as index:
        index.add([files])
        yield index


@pytest.fixture(params=["stores", "index"])
def retriever(request):
    if request.param == "index":
        return SenseweaveRetriever(index=request.getfixturevalue("index"))
    return SenseweaveRetriever(vector_stores=[request.getfixturevalue("store")])


def sources(documents):
    return [document.metadata["source"].rpartition("/")[2] for document in documents]


def test_text_finds_text_and_every_document_says_how_it_was_scored(retriever):
    documents = retriever.invoke("a dog on the grass", modalities=["text"])
    assert sources(documents)[0] == "dog.txt"
    for document in documents:
        assert document.metadata["space"] == "toy-0"
        assert -1.001 <= document.metadata["raw_score"] <= 1.001
    scores = [document.metadata["score"] for document in documents]
    assert scores == sorted(scores, reverse=True)


def test_media_find_themselves_first(retriever, blue_png, high_wav, clip_mp4):
    assert sources(retriever.retrieve_by_image(blue_png, modalities=["image"]))[0] == "blue.png"
    assert sources(retriever.retrieve_by_image(blue_png.read_bytes(), modalities=["image"]))[0] == "blue.png"
    assert sources(retriever.retrieve_by_audio(high_wav, modalities=["audio"]))[0] == "high.wav"
    assert sources(retriever.retrieve_by_video(clip_mp4, modalities=["video"]))[0] == "clip.mp4"


def test_k_modalities_and_filter_are_fields_and_arguments_of_a_call(retriever):
    assert len(retriever.invoke("sea")) == 4
    assert len(retriever.invoke("sea", k=2)) == 2
    narrowed = retriever.model_copy(update={"k": 5, "modalities": ["image", "audio"]})
    assert {entry.metadata["modality"] for entry in narrowed.invoke("sea")} == {"image", "audio"}
    assert {entry.metadata["modality"] for entry in narrowed.invoke("sea", modalities=["video"])} == {"video"}
    wav = {"mime_type": "audio/wav"}
    assert {entry.metadata["mime_type"] for entry in retriever.invoke("sea", filter=wav)} == {"audio/wav"}
    filtered = retriever.model_copy(update={"filter": wav})
    assert {entry.metadata["mime_type"] for entry in filtered.invoke("sea")} == {"audio/wav"}


async def test_async_gives_what_sync_gives_with_the_same_arguments(retriever, red_png, tone_wav, clip_mp4):
    assert len(await retriever.ainvoke("sea", k=2)) == 2
    assert await retriever.ainvoke("sea", modalities=["image"]) == retriever.invoke("sea", modalities=["image"])
    assert await retriever.aretrieve_by_image(red_png, k=1) == retriever.retrieve_by_image(red_png, k=1)
    assert await retriever.aretrieve_by_audio(tone_wav, k=1) == retriever.retrieve_by_audio(tone_wav, k=1)
    assert await retriever.aretrieve_by_video(clip_mp4, k=1) == retriever.retrieve_by_video(clip_mp4, k=1)
    assert await retriever.abatch(["sea", "dog"]) == retriever.batch(["sea", "dog"])


def test_a_query_that_looks_like_a_file_is_text(retriever, red_png):
    by_text = retriever.invoke(str(red_png), modalities=["image"])
    by_image = retriever.retrieve_by_image(str(red_png), modalities=["image"])
    assert by_text[0].metadata["raw_score"] != pytest.approx(by_image[0].metadata["raw_score"], abs=1e-4)
    assert by_image[0].metadata["raw_score"] == pytest.approx(1.0, abs=0.05)


def test_a_retriever_can_be_bound_to_a_query_modality(store, blue_png):
    retriever = SenseweaveRetriever(vector_stores=[store], query_modality="image", modalities=["image"], k=1)
    assert sources(retriever.invoke(str(blue_png))) == ["blue.png"]


def test_k_is_a_configurable_field(retriever):
    configurable = retriever.configurable_fields(k=ConfigurableField(id="k"))
    assert len(configurable.invoke("sea", {"configurable": {"k": 3}})) == 3


def test_traces_name_stores_and_models_and_see_media_queries(retriever, red_png):
    seen = Seen()
    retriever.invoke("sea", {"callbacks": [seen]})
    retriever.retrieve_by_image(red_png, {"callbacks": [seen]}, k=2)
    (text, metadata), (media, _) = seen.starts
    assert text == "sea"
    assert media == str(red_png)
    assert metadata["ls_retriever_name"] == "senseweave"
    assert metadata["ls_embedding_model"] == "toy-0"
    assert metadata["ls_vector_store_provider"] in ("SenseweaveChroma", "senseweave.Index")
    assert seen.ends == [4, 2]


def test_results_are_like_those_of_the_loader(retriever, tone_wav, tmp_path):
    (document,) = retriever.retrieve_by_audio(tone_wav, k=1, modalities=["audio"])
    (loaded,) = MediaLoader(tone_wav).load()
    assert {name: document.metadata[name] for name in loaded.metadata} == loaded.metadata
    assert document.id
    assert loaded.page_content in document.page_content


def test_stores_of_two_spaces_are_merged_and_each_says_its_space(make_space, files):
    stores = []
    for seed, modalities in [(1, ["text"]), (2, ["text", "image"])]:
        store = SenseweaveChroma(f"c{uuid.uuid4().hex}", SenseweaveEmbeddings(model=make_space(seed, modalities)))
        store.add_documents(
            [entry for entry in MediaLoader(files).load() if entry.metadata["modality"] == modalities[-1]]
        )
        stores.append(store)
    documents = SenseweaveRetriever(vector_stores=stores, k=5).invoke("the sea is blue")
    assert {entry.metadata["space"] for entry in documents} == {"toy-1", "toy-2"}
    by_image = SenseweaveRetriever(vector_stores=stores, k=5).retrieve_by_image(files / "red.png")
    assert {entry.metadata["space"] for entry in by_image} == {"toy-2"}


def test_the_same_piece_in_two_stores_is_one_result(make_space, files):
    stores = [
        SenseweaveChroma.from_documents(
            MediaLoader(files / "red.png").load(),
            SenseweaveEmbeddings(model=make_space(seed)),
            collection_name=f"c{uuid.uuid4().hex}",
        )
        for seed in (1, 2)
    ]
    assert len(SenseweaveRetriever(vector_stores=stores).invoke("red")) == 1


def test_scores_are_calibrated_where_vectors_can_be_sampled(store):
    retriever = SenseweaveRetriever(vector_stores=store)
    raw = retriever.invoke("sea", k=12, fusion="none")
    calibrated = retriever.invoke("sea", k=12)
    assert [entry.metadata["score"] for entry in raw] == [entry.metadata["raw_score"] for entry in raw]
    assert [entry.metadata["score"] for entry in calibrated] != [entry.metadata["raw_score"] for entry in calibrated]
    assert retriever.invoke("sea", k=12, fusion="above_chance") == calibrated


def test_other_stores_and_other_embeddings_can_be_asked(files, embeddings):
    memory = InMemoryVectorStore(embeddings)
    memory.add_documents([Document("a dog", id="1", metadata={"n": 1}), Document("bread", id="2", metadata={"n": 2})])
    retriever = SenseweaveRetriever(vector_stores=[memory], k=1)
    assert retriever.invoke("dog")[0].page_content == "a dog"
    assert retriever.invoke("dog", filter={"n": [2, 3]})[0].page_content == "bread"
    assert retriever.invoke("dog", filter=lambda entry: entry.metadata["n"] == 2)[0].page_content == "bread"
    assert retriever.invoke("dog", modalities=["image"]) == []
    foreign = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    foreign.add_texts(["one", "two"])
    both = SenseweaveRetriever(vector_stores=[memory, foreign], k=4)
    assert {entry.metadata["space"] for entry in both.invoke("dog")} == {"toy-0", "DeterministicFakeEmbedding"}
    with pytest.raises(UnsupportedModalityError, match="embeds: text"):
        SenseweaveRetriever(vector_stores=[foreign]).retrieve_by_image(files / "red.png")


def test_wrong_arguments_are_errors(store, index, tmp_path, red_png):
    with pytest.raises(ValidationError, match="one of the two"):
        SenseweaveRetriever()
    with pytest.raises(ValidationError, match="one of the two"):
        SenseweaveRetriever(vector_stores=[store], index=index)
    with pytest.raises(ValidationError, match="top_k"):
        SenseweaveRetriever(index=index, top_k=3)
    retriever = SenseweaveRetriever(vector_stores=[store])
    with pytest.raises(ValueError, match="at least 1"):
        retriever.invoke("sea", k=0)
    with pytest.raises(ValueError, match="unknown modality 'smell'"):
        retriever.invoke("sea", modalities=["smell"])
    with pytest.raises(ValueError, match="modalities is empty; expected some of text, image"):
        retriever.invoke("sea", modalities=[])
    with pytest.raises(ValueError, match="modalities is empty"):
        retriever.model_copy(update={"modalities": []}).invoke("sea")
    with pytest.raises(ValidationError, match="modalities is empty"):
        SenseweaveRetriever(index=index, modalities=[])
    with pytest.raises(TypeError, match="top_k"):
        retriever.invoke("sea", top_k=3)
    with pytest.raises(ValueError, match="min_score"):
        SenseweaveRetriever(index=index, min_score="high")
    with pytest.raises(ValidationError, match="unknown fusion method 'best'"):
        SenseweaveRetriever(index=index, fusion="best")
    with pytest.raises(ValidationError, match="add up to more than k=2"):
        SenseweaveRetriever(index=index, k=2, quota={"image": 3})
    with pytest.raises(MediaError, match=r"missing\.png"):
        retriever.retrieve_by_image("missing.png")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MediaError, match="root"):
        SenseweaveRetriever(vector_stores=[store], root=empty).retrieve_by_image(red_png)


def test_an_image_given_as_media_keeps_its_identity(retriever, blue_png):
    assert sources(retriever.retrieve_by_image(Image(blue_png), k=1, modalities=["image"])) == ["blue.png"]


def scores(documents):
    return [document.metadata["score"] for document in documents]


def test_offset_gives_the_next_page_of_the_same_ranking(retriever):
    pages = [retriever.invoke("sea", k=3, offset=offset) for offset in (0, 3)]
    assert [*pages[0], *pages[1]] == retriever.invoke("sea", k=6)
    assert retriever.model_copy(update={"offset": 3, "k": 3}).invoke("sea") == pages[1]


def test_min_score_leaves_out_what_scores_lower(retriever):
    documents = retriever.invoke("sea", k=6)
    least = scores(documents)[2]
    kept = retriever.invoke("sea", k=6, min_score=least)
    assert scores(kept) == [score for score in scores(documents) if score >= least]
    assert len(kept) < len(documents)


def test_a_quota_keeps_a_place_for_a_modality(retriever):
    texts = retriever.invoke("a dog on the grass", k=3, modalities=["text"])
    assert len(texts) == 3
    documents = retriever.invoke("a dog on the grass", k=3, quota={"video": 1, "audio": 1})
    assert {"video", "audio"} <= {document.metadata["modality"] for document in documents}
    assert len(documents) == 3


def test_weights_order_modalities_under_weighted_rrf(retriever):
    options = {"k": 2, "modalities": ["text", "image"], "fusion": "weighted_rrf"}
    for modality in ("text", "image"):
        best = retriever.invoke("sea", weights={modality: 5.0}, **options)
        assert [document.metadata["modality"] for document in best] == [modality] * 2
    with pytest.raises(ValueError, match="weights"):
        retriever.invoke("sea", weights={"text": 2.0}, fusion="none")


class Longest:
    """Prefers long names of sources."""

    name = "longest"

    def scores(self, query, hits):
        return [len(hit.source) for hit in hits]


def test_a_reranker_orders_the_best_anew(retriever):
    documents = retriever.invoke("sea", k=3, modalities=["text"], rerank=Longest())
    assert sources(documents)[0] == "bread.txt"
    assert scores(documents) == sorted((len(document.metadata["source"]) for document in documents), reverse=True)
    with pytest.raises(TypeError, match="rerank"):
        retriever.invoke("sea", rerank=7)


def test_a_reranker_given_by_name_is_made_once(store, monkeypatch):
    made = []

    def make(name):
        made.append(name)
        return Longest()

    monkeypatch.setattr("senseweave.retrieval.search.rerank.as_reranker", make)
    retriever = SenseweaveRetriever(vector_stores=[store], rerank="a-model")
    retriever.invoke("sea")
    retriever.invoke("sea")
    assert made == ["a-model"]


@pytest.fixture(params=["stores", "index"])
def over_windows(request, space, embeddings, tone_wav, high_wav, tmp_path):
    """A retriever over three windows of a recording and one of another."""
    windows = [Audio(tone_wav, span=(start, start + 1.0)) for start in range(3)] + [Audio(high_wav)]
    if request.param == "stores":
        store = SenseweaveChroma(f"c{uuid.uuid4().hex}", embeddings)
        store.add_media(windows)
        yield SenseweaveRetriever(vector_stores=[store])
        return
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add(windows)
        yield SenseweaveRetriever(index=index)


def test_grouping_joins_the_chunks_of_a_source_and_names_their_spans(over_windows, tone_wav):
    assert len(over_windows.retrieve_by_audio(tone_wav)) == 4
    documents = over_windows.retrieve_by_audio(tone_wav, group=True)
    assert sorted(sources(documents)) == ["high.wav", "tone.wav"]
    (grouped,) = [document for document in documents if document.metadata["source"] == str(tone_wav)]
    assert sorted(grouped.metadata["spans"]) == [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]


POWERS = {
    "min_score": 0.5,
    "score_threshold": 0.5,
    "offset": 2,
    "group": True,
    "diversity": 0.9,
    "quota": {"video": 1},
    "fusion": "none",
    "modalities": ["image"],
    "rerank": Longest(),
    "rerank_depth": 3,
    "weights": {"text": 1.0},
}


@pytest.mark.parametrize("name", POWERS)
def test_every_power_is_a_field_an_argument_of_a_call_and_configurable(retriever, name):
    home = {"index": retriever.index} if retriever.index is not None else {"vector_stores": retriever.vector_stores}
    more = {"weights": {"fusion": "weighted_rrf"}, "rerank_depth": {"rerank": Longest()}}.get(name, {})
    field = SenseweaveRetriever(**home, **more, **{name: POWERS[name]})
    expected = field.invoke("the sea is blue")
    called = SenseweaveRetriever(**home, **more).invoke("the sea is blue", **{name: POWERS[name]})
    assert (called, scores(called)) == (expected, scores(expected))
    if name == "score_threshold":
        return  # the field is min_score
    configured = SenseweaveRetriever(**home, **more).configurable_fields(**{name: ConfigurableField(id="it")})
    assert configured.with_config(configurable={"it": POWERS[name]}).invoke("the sea is blue") == expected
    if name != "rerank":
        kept = json.loads(field.model_dump_json(exclude={"index", "vector_stores", "rerank"}))
        assert kept[name] == POWERS[name]
        assert SenseweaveRetriever(**home, **{**kept, **more}).invoke("the sea is blue") == expected


def test_score_threshold_and_min_score_are_not_given_together(store):
    with pytest.raises(ValueError, match="give one of the two"):
        SenseweaveRetriever(vector_stores=[store], min_score=0.5, score_threshold=0.5)
    with pytest.raises(ValueError, match="give one of the two"):
        SenseweaveRetriever(vector_stores=[store]).invoke("sea", min_score=0.5, score_threshold=0.5)


async def test_options_give_the_same_async(retriever, red_png):
    options = {"k": 3, "offset": 1, "quota": {"audio": 1}, "group": True, "diversity": 0.5}
    found = retriever.invoke("sea", **options)
    again = await retriever.ainvoke("sea", **options)
    assert again == found
    assert scores(again) == scores(found)
    assert await retriever.aretrieve_by_image(red_png, **options) == retriever.retrieve_by_image(red_png, **options)


def test_the_filter_of_a_call_narrows_that_of_the_retriever(retriever):
    narrowed = retriever.model_copy(update={"filter": {"modality": ["text", "image"]}})
    found = narrowed.invoke("sea", k=9, filter={"mime_type": {"ne": "text/plain"}})
    assert sorted(sources(found)) == ["blue.png", "red.png"]
    assert narrowed.invoke("sea", filter={"modality": "audio"}) == []


def test_a_document_that_several_questions_find_is_recognized(retriever):
    first, second = retriever.invoke("sea", k=9), retriever.invoke("how to bake bread", k=9)
    assert sorted(scores(first)) != sorted(scores(second))
    assert len(first) == len(second) == 8
    assert all(document in first for document in second)


async def test_words_of_an_index_are_searched(space, tmp_path):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([Text(f"Valve QZ-{number:03} was looked at.") for number in range(40)])
        retriever = SenseweaveRetriever(index=index, k=1, words=True)
        for found in (retriever.invoke("QZ-017"), await retriever.ainvoke("QZ-017")):
            assert [document.page_content for document in found] == ["Valve QZ-017 was looked at."]
            assert found[0].metadata["score"] > 3
            assert found[0].metadata["matched_words"] == ["QZ-017"]


async def test_words_of_a_chroma_store_are_searched_as_it_changes(embeddings, tmp_path):
    store = SenseweaveChroma("notes", embeddings, persist_directory=str(tmp_path / "store"))
    texts = [f"Valve QZ-{number:03} was looked at." for number in range(40)]
    ids = store.add_texts(texts, [{"hall": number % 5} for number in range(40)])
    retriever = SenseweaveRetriever(vector_stores=[store], k=1, words=True)

    def best(query, **options):
        (found,) = retriever.invoke(query, **options)
        return found.page_content

    for found in (retriever.invoke("QZ-017"), await retriever.ainvoke("QZ-017")):
        assert [document.page_content for document in found] == [texts[17]]
        assert found[0].id == ids[17]
        assert found[0].metadata["score"] > 3
        assert found[0].metadata["matched_words"] == ["QZ-017"]
        assert found[0].metadata["hall"] == 2
    assert best("QZ-017", diversity=0.5, k=1) == texts[17]
    assert best("QZ-017", filter={"hall": 3}) != texts[17]
    assert best("QZ-017", filter={"hall": 2}) == texts[17]
    store.add_texts(["The fuse XK-99 is blown."])
    assert best("XK-99") == "The fuse XK-99 is blown."
    store.update_document(ids[3], Document("The lamp LM-55 is new.", metadata={"hall": 3}))
    assert best("LM-55") == "The lamp LM-55 is new."
    assert "QZ-003" not in best("QZ-003")
    store.delete([ids[17]])
    assert best("QZ-017") != texts[17]


def test_words_of_other_stores_are_an_error_that_names_them(embeddings):
    with pytest.raises(ValueError, match=r"words=True searches an index .* or a Chroma store, and InMemoryVectorStore"):
        SenseweaveRetriever(vector_stores=[InMemoryVectorStore(embeddings)]).invoke("QZ-017", words=True)
