"""The model as a transformation: each node by what it is, in pipelines with caches, docstores and workers."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.schema import Document, ImageDocument, ImageNode, MediaResource, MetadataMode, Node, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.senseweave import MediaNodeParser, MediaReader, SenseweaveEmbedding, media_node

import senseweave as sw
from senseweave.encoders.observation import Transcript
from senseweave.interop import find_word

KINDS = ("image", "audio", "video")


def mixed(files: Any) -> list[Any]:
    return [
        TextNode(text="a red thing"),
        media_node("image", files["image"][0]),
        media_node("audio", files["audio"][0]),
        Document(text="a low note"),
        media_node("video", files["video"][0]),
        media_node("image", files["image"][1]),
    ]


def test_text_nodes_are_embedded_by_text_and_media_nodes_by_their_media(
    embed_model: SenseweaveEmbedding, files: Any
) -> None:
    nodes = mixed(files)
    returned = embed_model(nodes)
    assert [node.embedding for node in returned] == [node.embedding for node in nodes]
    assert [node.node_id for node in returned] == [node.node_id for node in nodes]
    assert [node.embedding for node in nodes] == [
        embed_model.get_text_embedding("a red thing"),
        embed_model.get_image_embedding(files["image"][0]),
        embed_model.get_audio_embedding(files["audio"][0]),
        embed_model.get_text_embedding("a low note"),
        embed_model.get_video_embedding(files["video"][0]),
        embed_model.get_image_embedding(files["image"][1]),
    ]


async def test_asynchronously_too(embed_model: SenseweaveEmbedding, files: Any) -> None:
    nodes = await embed_model.acall(mixed(files))
    assert [node.embedding for node in nodes] == [node.embedding for node in embed_model(mixed(files))]


def test_text_is_embedded_with_the_metadata_that_the_node_shows_to_embedding_models(
    embed_model: SenseweaveEmbedding,
) -> None:
    node = TextNode(text="red", metadata={"title": "low", "id": 7}, excluded_embed_metadata_keys=["id"])
    embed_model([node])
    assert node.embedding == embed_model.get_text_embedding("title: low\n\nred")


@pytest.mark.parametrize("kind", KINDS)
def test_a_media_resource_may_be_a_path_data_or_a_url(embed_model: SenseweaveEmbedding, kind: str, files: Any) -> None:
    path: Path = files[kind][0]
    data = path.read_bytes()
    resources = [
        MediaResource(path=path),
        MediaResource(data=data),
        MediaResource(url=path.as_uri()),
        MediaResource(url=f"data:;base64,{base64.b64encode(data).decode()}"),
    ]
    nodes: list[Any] = [Node(**{f"{kind}_resource": resource}) for resource in resources]
    nodes.append(Document(text="a caption", **{f"{kind}_resource": resources[0]}))
    embed_model(nodes)
    assert all(node.embedding == getattr(embed_model, f"get_{kind}_embedding")(path) for node in nodes)


def test_older_image_nodes_are_embedded_by_their_picture(
    embed_model: SenseweaveEmbedding, make: dict[str, Callable[..., bytes]], tmp_path: Path
) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(make["image"]("red"))
    encoded = base64.b64encode(path.read_bytes()).decode()
    nodes: list[Any] = [
        ImageNode(image_path=str(path), text="words"),
        ImageNode(image=encoded),
        ImageDocument(image_path=str(path)),
    ]
    embed_model(nodes)
    assert all(node.embedding == embed_model.get_image_embedding(path) for node in nodes)


def test_only_the_part_that_a_node_means_is_embedded(
    embed_model: SenseweaveEmbedding, make: dict[str, Callable[..., bytes]]
) -> None:
    nodes = MediaNodeParser()(MediaReader(seconds=1).load_data(make["audio"]("low", "high")))
    embed_model(nodes)
    assert nodes[0].embedding == embed_model.get_audio_embedding(make["audio"]("low"))
    assert nodes[1].embedding == embed_model.get_audio_embedding(make["audio"]("high"))


def test_a_node_whose_file_has_gone_is_an_error_that_names_it_and_its_place(
    embed_model: SenseweaveEmbedding, files: Any
) -> None:
    nodes = mixed(files)
    files["image"][1].unlink()
    embed_model.on_error = "raise"
    with pytest.raises(sw.MediaError, match=r"image-green \(item 6 of 6\): no such file"):
        embed_model(nodes)


def test_a_node_whose_bytes_were_lost_is_an_error_that_says_how_to_keep_them(
    embed_model: SenseweaveEmbedding, files: Any
) -> None:
    lost = Node.from_dict(Node(audio_resource=MediaResource(data=files["audio"][0].read_bytes())).to_dict())
    embed_model.on_error = "raise"
    with pytest.raises(sw.MediaError, match=r"item 2 of 2.*does not store bytes.*media_node"):
        embed_model([TextNode(text="red"), lost])


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_nodes_that_cannot_be_embedded_are_left_out_where_that_is_wanted(
    space: sw.Space, files: Any, caplog: pytest.LogCaptureFixture, cached: bool, asynchronous: bool
) -> None:
    picture = files["image"][1].read_bytes()
    files["image"][1].write_bytes(picture[: len(picture) // 2])
    nodes = mixed(files)
    files["audio"][0].unlink()
    nodes.append(Node(video_resource=MediaResource()))
    model = SenseweaveEmbedding(space=space, embeddings_cache=SimpleKVStore() if cached else None)
    for _ in range(2):
        ready = await model.acall(nodes) if asynchronous else model(nodes)
        assert [node.node_id for node in ready] == [nodes[i].node_id for i in (0, 1, 3, 4)]
        assert all(node.embedding for node in ready)
        assert [error.position for error in model.failed] == [2, 5, 6]
    assert "3 inputs were left out" in caplog.text
    assert "image-green (item 6 of 7): is a broken image/png" in caplog.text
    assert "audio-low (item 3 of 7): no such file" in caplog.text
    assert "(item 7 of 7): its video resource has no path" in caplog.text
    with pytest.raises(sw.MediaError, match=r"image-green \(item 1 of 1\)"):
        model.get_image_embedding(files["image"][1])


def test_a_node_of_two_kinds_of_media_is_an_error(embed_model: SenseweaveEmbedding, files: Any) -> None:
    both = Node(
        image_resource=MediaResource(path=files["image"][0]), audio_resource=MediaResource(path=files["audio"][0])
    )
    with pytest.raises(ValueError, match="holds image and audio; make one node of each"):
        embed_model([both])


def test_a_url_is_read_only_where_the_policy_allows_it(embed_model: SenseweaveEmbedding) -> None:
    embed_model.on_error = "raise"
    with pytest.raises(sw.PolicyError):
        embed_model([Node(image_resource=MediaResource(url="https://example.com/red.png"))])


def test_a_modality_that_the_model_lacks_is_an_error_before_anything_is_computed(space: sw.Space, files: Any) -> None:
    words = SenseweaveEmbedding(space=sw.Space("words", {"text": space.encoders["text"]}), on_error="raise")
    with pytest.raises(sw.UnsupportedModalityError):
        words(mixed(files))
    assert space.encoders["text"].batches == []  # type: ignore[attr-defined]


def test_nodes_of_a_modality_that_the_model_lacks_are_listed_and_the_others_embedded(
    space: sw.Space, files: Any
) -> None:
    words = SenseweaveEmbedding(space=sw.Space("words", {"text": space.encoders["text"]}))
    embedded = words(nodes := mixed(files))
    assert 0 < len(embedded) < len(nodes)
    assert len(words.failed) == len(nodes) - len(embedded)
    assert all("does not embed; it embeds: text" in str(error) for error in words.failed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipeline_cache_gives_each_node_its_own_entry(
    embed_model: SenseweaveEmbedding, space: sw.Space, kind: Any, files: Any
) -> None:
    pipeline = IngestionPipeline(transformations=[embed_model], cache=IngestionCache())
    first, second = (pipeline.run(nodes=[media_node(kind, path)]) for path in files[kind][:2])
    again = pipeline.run(nodes=[media_node(kind, files[kind][0])])
    assert first[0].embedding != second[0].embedding
    assert again[0].embedding == first[0].embedding
    assert again[0].metadata == first[0].metadata
    assert space.encoders[kind].batches == [1, 1]
    assert getattr(again[0], f"{kind}_resource").path.read_bytes() == files[kind][0].read_bytes()


async def test_a_pipeline_runs_asynchronously(embed_model: SenseweaveEmbedding, files: Any) -> None:
    nodes = await IngestionPipeline(transformations=[embed_model]).arun(nodes=mixed(files))
    assert all(node.embedding for node in nodes)


async def test_documents_are_split_and_media_kept_whole_in_one_pipeline(
    embed_model: SenseweaveEmbedding, files: Any
) -> None:
    picture = media_node("image", files["image"][0])
    drawn = Document(text="a caption. " * 50, image_resource=MediaResource(path=files["image"][1]))
    nodes = [Document(text="A red thing. " * 50, id_="first"), picture, drawn, Document(text="A low note.", id_="last")]
    parser = MediaNodeParser(text_parser=TokenTextSplitter(chunk_size=60, chunk_overlap=0))
    for parsed in (parser(nodes), await parser.acall(nodes)):
        assert [node.ref_doc_id for node in parsed[:-3]] == ["first"] * len(parsed[:-3])
        assert len(parsed) > 5
        assert parsed[-3:-1] == [picture, drawn]
        assert (parsed[-1].get_content(), parsed[-1].ref_doc_id) == ("A low note.", "last")
    pipeline = IngestionPipeline(transformations=[parser, embed_model], cache=IngestionCache())
    first, again = pipeline.run(nodes=nodes), await pipeline.arun(nodes=nodes)
    assert [node.embedding for node in first] == [node.embedding for node in again]
    assert first[-3].embedding == embed_model.get_image_embedding(files["image"][0])
    assert embed_model(parser(list(first)))[-3].embedding == first[-3].embedding


def test_metadata_text_is_never_embedded_in_place_of_media(embed_model: SenseweaveEmbedding, files: Any) -> None:
    node = media_node("image", files["image"][0])
    asked_by_an_index = node.get_content(MetadataMode.EMBED)
    picture = embed_model.get_image_embedding(files["image"][0])
    assert embed_model.get_text_embedding(asked_by_an_index) == picture
    assert embed_model.get_text_embedding_batch(["red", asked_by_an_index])[1] == picture
    assert embed_model.get_text_embedding(str(asked_by_an_index)) != picture


async def test_nor_asynchronously(embed_model: SenseweaveEmbedding, files: Any) -> None:
    text = media_node("image", files["image"][0]).get_content(MetadataMode.EMBED)
    assert await embed_model.aget_text_embedding(text) == embed_model.get_image_embedding(files["image"][0])


def test_what_an_index_asks_for_is_read_under_the_policy_of_the_model(space: sw.Space, files: Any) -> None:
    text = media_node("image", files["image"][0]).get_content(MetadataMode.EMBED)
    with pytest.raises(sw.PolicyError, match="root"):
        SenseweaveEmbedding(space=space, root="/nowhere").get_text_embedding_batch(["red", text])


def test_a_media_node_can_be_copied_pickled_and_changed(embed_model: SenseweaveEmbedding, files: Any) -> None:
    node = media_node("image", files["image"][0])
    for again in (copy.deepcopy(node), node.model_copy(), pickle.loads(pickle.dumps(node))):
        assert again.hash == node.hash
        assert embed_model([again])[0].embedding == embed_model([node])[0].embedding


def copied(node: Node) -> Node:
    return node.model_copy(deep=True)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, copied])
def test_a_copy_that_was_given_another_picture_is_embedded_by_that(
    embed_model: SenseweaveEmbedding, files: Any, way: Callable[[Node], Node]
) -> None:
    red, green = files["image"][:2]
    node = media_node("image", red)
    other = way(node)
    other.image_resource = MediaResource(path=green)
    texts = [each.get_content(MetadataMode.EMBED) for each in (node, other)]
    assert embed_model.get_text_embedding_batch(texts) == embed_model.get_image_embedding_batch([red, green])


@pytest.mark.parametrize("cached", [False, True])
def test_media_without_text_are_described_where_the_encoder_says_what_it_saw_or_heard(
    space: sw.Space, files: Any, cached: bool
) -> None:
    cache = SimpleKVStore() if cached else None
    nodes = [media_node("image", files["image"][0]), media_node("image", files["image"][1], text="my caption")]
    for _ in range(2):
        described = SenseweaveEmbedding(space=space, embeddings_cache=cache)(nodes)
        assert [node.get_content() for node in described] == ["mostly red", "my caption"]
    bare = SenseweaveEmbedding(space=space, embeddings_cache=cache, describe=False)(nodes)
    assert [node.get_content() for node in bare] == ["", "my caption"]
    assert [node.get_content() for node in nodes] == ["", "my caption"]
    assert described[0].embedding == bare[0].embedding


@pytest.mark.parametrize("cached", [False, True])
def test_the_times_of_words_stand_in_the_metadata_which_models_do_not_see(
    space: sw.Space, files: Any, cached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = space.encoder("audio")
    forward = encoder.forward
    said = Transcript("Good morning.", (("Good", 0.1), ("morning.", 0.4)))
    monkeypatch.setattr(encoder, "forward", lambda batch: replace(forward(batch), descriptions=[said] * len(batch)))
    cache = SimpleKVStore() if cached else None
    node = media_node("audio", files["audio"][0], span=(0.2, 0.9))
    for _ in range(2):
        (stored,) = SenseweaveEmbedding(space=space, embeddings_cache=cache)([node])
        assert find_word(stored.metadata, "morning") == 0.6
        for mode in (MetadataMode.EMBED, MetadataMode.LLM):
            assert "word_times" not in stored.get_content(mode)
        if cache is not None:
            cache = SimpleKVStore.from_dict(json.loads(json.dumps(cache.to_dict())))
    assert "word_times" not in node.metadata
    (bare,) = SenseweaveEmbedding(space=space, describe=False)([node])
    assert "word_times" not in bare.metadata
