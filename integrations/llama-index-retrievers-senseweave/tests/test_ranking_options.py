"""What the ranking can do for the index, the retriever can do for stores too; and it keeps what a user filtered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import chromadb
import pytest
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters
from llama_index.embeddings.senseweave import SenseweaveEmbedding, media_from_node, media_node
from llama_index.retrievers.senseweave import MediaQueryBundle, SenseweaveRetriever
from llama_index.vector_stores.chroma import ChromaVectorStore

import senseweave as sw


@pytest.fixture(params=["store", "in memory", "index"])
def sources(request: Any, store: Any, embed_model: SenseweaveEmbedding, nodes: list[Any], tmp_path: Path) -> Any:
    """The arguments by which a retriever is given the same corpus in three ways."""
    if request.param == "store":
        yield {"vector_stores": store, "embed_model": embed_model}
    elif request.param == "in memory":
        yield {"nodes": nodes, "embed_model": embed_model}
    else:
        with sw.Index(tmp_path / "index", spaces=[embed_model.space]) as index:
            for node in nodes:
                index.add(media_from_node(node), metadata={"shelf": node.metadata["shelf"]}, on_error="raise")
            yield {"index": index}


def retrieve(sources: dict[str, Any], question: str = "something green", **options: Any) -> list[NodeWithScore]:
    return SenseweaveRetriever.from_defaults(**sources, **options).retrieve(question)


def contents(found: list[NodeWithScore]) -> list[str]:
    return [hit.node.metadata.get("sha256") or hit.node.get_content() for hit in found]


def modalities(found: list[NodeWithScore]) -> list[str]:
    return [hit.node.metadata.get("modality", "text") for hit in found]


def test_pages_follow_each_other(sources: Any) -> None:
    everything = contents(retrieve(sources, similarity_top_k=13))
    assert len(set(everything)) == 13
    pages = [contents(retrieve(sources, similarity_top_k=4, offset=offset)) for offset in (0, 4, 8, 12)]
    assert [content for page in pages for content in page] == everything


def test_low_scores_are_left_out(sources: Any) -> None:
    scores = [hit.score for hit in retrieve(sources, similarity_top_k=13)]
    kept = retrieve(sources, similarity_top_k=13, min_score=scores[4])
    assert [hit.score for hit in kept] == [score for score in scores if score >= scores[4]]
    assert 5 <= len(kept) < 13


def test_a_quota_gives_a_modality_its_share(sources: Any) -> None:
    assert "audio" not in modalities(retrieve(sources, similarity_top_k=3))
    assert modalities(retrieve(sources, similarity_top_k=3, quota={"audio": 1})).count("audio") == 1


def test_diversity_spreads_the_answer(sources: Any) -> None:
    alike, diverse = (retrieve(sources, similarity_top_k=6, diversity=amount) for amount in (0.0, 0.9))
    assert contents(alike) == contents(retrieve(sources, similarity_top_k=6))
    assert contents(diverse)[0] == contents(alike)[0]
    assert set(contents(diverse)) != set(contents(alike))


def test_weights_belong_to_their_fusion_method(sources: Any) -> None:
    weighted = retrieve(sources, similarity_top_k=4, fusion="weighted_rrf", weights={"audio": 9.0})
    assert modalities(weighted)[:3] == ["audio"] * 3
    with pytest.raises(ValueError, match="weights belong to the method weighted_rrf"):
        retrieve(sources, fusion="rrf", weights={"audio": 9.0})


class Longest:
    """A reranker that likes long texts, and remembers what it was asked."""

    name = "longest"
    asked: Any = None

    def scores(self, query: Any, hits: Sequence[Any]) -> list[float]:
        self.asked = query
        return [float(len(hit.text) if hit.modality == "text" else 0) for hit in hits]


def test_a_reranker_orders_the_answer_anew(sources: Any) -> None:
    reranker = Longest()
    found = retrieve(sources, similarity_top_k=2, rerank=reranker)
    assert [hit.node.get_content() for hit in found] == ["the low note of a horn", "nothing in particular"]
    assert [part.decode() for part, _ in reranker.asked.parts] == ["something green"]


async def test_asynchronously_too(store: Any, embed_model: SenseweaveEmbedding) -> None:
    retriever = SenseweaveRetriever(
        store, embed_model, similarity_top_k=4, offset=1, diversity=0.5, quota={"audio": 1}, rerank=Longest()
    )
    assert await retriever.aretrieve("green") == retriever.retrieve("green")


@pytest.mark.parametrize("simple", [False, True])
def test_windows_of_one_recording_stay_apart_unless_they_are_grouped(
    new_store: Any, embed_model: SenseweaveEmbedding, files: Any, simple: bool
) -> None:
    path = files["audio"][0]
    nodes: list[Any] = [media_node("audio", path, span=(at / 4, (at + 1) / 4)) for at in range(4)]
    nodes.append(media_node("audio", files["audio"][1]))
    if simple:
        sources: dict[str, Any] = {"nodes": nodes, "embed_model": embed_model}
    else:
        store = new_store()
        store.add(list(embed_model(nodes)))
        sources = {"vector_stores": store, "embed_model": embed_model}
    apart, grouped = (retrieve(sources, "a low tone", group=group) for group in (False, True))
    assert len(apart) == 5
    assert [hit.node.metadata["source"] for hit in grouped] == [str(path), str(files["audio"][1])]


def test_a_reranker_cannot_read_a_vector(store: Any, embed_model: SenseweaveEmbedding) -> None:
    retriever = SenseweaveRetriever(store, embed_model, rerank=Longest())
    with pytest.raises(ValueError, match="reranker reads the query"):
        retriever.retrieve(QueryBundle("", embedding=embed_model.get_query_embedding("green")))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"offset": -1}, "offset"),
        ({"diversity": 2}, "diversity"),
        ({"quota": {"smell": 1}}, "quota"),
        ({"rerank": 7}, "rerank"),
        ({"group": "yes"}, "group"),
    ],
)
def test_wrong_options_are_errors_before_anything_is_retrieved(sources: Any, option: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        SenseweaveRetriever.from_defaults(**sources, **option)


def test_filters_hold_under_every_option(sources: Any) -> None:
    shelf = MetadataFilters(filters=[MetadataFilter(key="shelf", value=1)])
    found = retrieve(sources, similarity_top_k=13, filters=shelf, group=True, diversity=0.5, rerank=Longest())
    assert set(modalities(found)) == {"text"}
    assert len(found) == 4


def test_records_of_an_index_in_a_stock_store_come_back_with_their_media(
    embed_model: SenseweaveEmbedding, files: Any, tmp_path: Path
) -> None:
    with sw.Index(tmp_path / "index", spaces=[embed_model.space]) as index:
        index.add([path for paths in files.values() for path in paths], metadata={"shelf": 2}, on_error="raise")
        hits = {hit.id: hit for hit in index.search("something green", k=9)}
        client = chromadb.PersistentClient(
            str(tmp_path / "index"), settings=chromadb.Settings(anonymized_telemetry=False)
        )
        stores = [
            ChromaVectorStore(chroma_collection=client.get_collection(f"sensible-{kind}"))
            for kind in ("image", "audio", "video")
        ]
        found = SenseweaveRetriever(stores, embed_model, similarity_top_k=9).retrieve("something green")
    assert {hit.node.node_id for hit in found} == set(hits)
    for result in found:
        hit, media = hits[result.node.node_id], media_from_node(result.node)
        assert (media, media.span, media.page) == (hit.media, hit.span, hit.page)
        assert result.node.get_content() == hit.text
        block: Any = result.node.get_content_blocks()[-1]
        assert getattr(block, f"resolve_{hit.modality}")().read() == Path(hit.source).read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        {"similarity_top_k": 3},
        {"min_score": 0.5},
        {"offset": 4},
        {"group": True},
        {"diversity": 0.8},
        {"quota": {"audio": 3}},
        {"fusion": "rrf"},
        {"fusion": "weighted_rrf", "weights": {"video": 5.0}},
    ],
    ids=lambda options: "-".join(options),
)
async def test_a_question_can_bring_its_own_options(sources: Any, options: dict[str, Any]) -> None:
    expected = SenseweaveRetriever.from_defaults(**sources, **{"similarity_top_k": 5, **options}).retrieve("green")
    retriever = SenseweaveRetriever.from_defaults(**sources, similarity_top_k=5)
    bundle = MediaQueryBundle("green", options=options)
    for found in (retriever.retrieve(bundle), await retriever.aretrieve(bundle)):
        assert contents(found) == contents(expected)
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected])
    assert len(retriever.retrieve("green")) == 5


def test_an_unknown_option_of_a_question_is_an_error_that_lists_those_that_exist(sources: Any) -> None:
    retriever = SenseweaveRetriever.from_defaults(**sources)
    with pytest.raises(ValueError, match="'top_k'; there are similarity_top_k, modalities, filters, fusion"):
        retriever.retrieve(MediaQueryBundle("green", options={"top_k": 3}))
    with pytest.raises(TypeError, match="offset"):
        retriever.retrieve(MediaQueryBundle("green", options={"offset": "4"}))
