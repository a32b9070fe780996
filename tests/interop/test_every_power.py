"""Every power of `Index.search` in every framework's retriever: as a field, in a call, and kept by serialization."""

from __future__ import annotations

import json
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from haystack_integrations.components.converters.senseweave import MediaToDocument
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder
from haystack_integrations.components.retrievers.senseweave import (
    SenseweaveChromaRetriever,
    SenseweaveMultimodalRetriever,
)
from haystack_integrations.document_stores.chroma import ChromaDocumentStore
from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters
from llama_index.embeddings.senseweave import MediaReader, SenseweaveEmbedding
from llama_index.retrievers.senseweave import MediaQueryBundle
from llama_index.retrievers.senseweave import SenseweaveRetriever as LlamaIndexRetriever
from llama_index.vector_stores.chroma import ChromaVectorStore
from PIL import Image as PillowImage

import senseweave as sw
from langchain_senseweave import MediaLoader, SenseweaveChroma, SenseweaveEmbeddings
from langchain_senseweave import SenseweaveRetriever as LangChainRetriever
from senseweave.interop import OPTIONS

pytestmark = pytest.mark.integration

QUESTION = "a bicycle on the street"
K = 4


class Longest:
    """Prefers records of long sources, those of text last."""

    name = "longest"

    def scores(self, query: Any, hits: Sequence[Any]) -> list[float]:
        return [float(len(hit.source)) - 100.0 * (hit.modality == "text") for hit in hits]


@dataclass(frozen=True)
class Power:
    """An option, its value, and the options that it needs beside it."""

    value: Any
    beside: tuple[tuple[str, Any], ...] = ()
    serializable: bool = True


POWERS = {
    "fusion": Power("none"),
    "weights": Power({"audio": 50.0}, (("fusion", "weighted_rrf"),)),
    "quota": Power({"audio": 1, "image": 1}),
    "min_score": Power(None),  # the score of the best, which the store decides
    "offset": Power(2),
    "group": Power(True),
    "diversity": Power(1.0),
    "rerank": Power(Longest(), serializable=False),
    "rerank_depth": Power(1, (("rerank", Longest()),), serializable=False),
    "words": Power(True),
    "modalities": Power(["image"]),
    "filters": Power({"shelf": 3}),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, int]]:
    """A text of three passages, two short texts, two pictures and two recordings, each with a shelf."""
    folder = tmp_path_factory.mktemp("files")
    passage = "A bicycle stands on the street beside the bakery, and nobody has taken it away. "
    (folder / "long.txt").write_text("\n\n".join(f"Part {n}. " + passage * 14 for n in range(3)))
    (folder / "street.txt").write_text("Bicycles may be left on the street overnight.")
    (folder / "bread.txt").write_text("Bread needs flour and water.")
    for name, color in (("a-picture-of-green.png", "green"), ("red.png", "red")):
        PillowImage.new("RGB", (64, 64), color).save(folder / name)
    for name, hertz in (("low.wav", 220), ("high.wav", 1760)):
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes((np.sin(np.arange(16000) / 16000 * 2 * np.pi * hertz) * 9000).astype("<i2").tobytes())
    shelves = {"bread.txt": 3, "red.png": 3}
    return [(path, shelves.get(path.name, 1)) for path in sorted(folder.iterdir())]


class Framework:
    """A framework's retriever over an index or over a store of its own, and its words for the options."""

    k = "k"
    filters = "filters"
    serializes = True

    def __init__(self, folder: Path, files: list[tuple[Path, int]]) -> None:
        self.folder = folder
        with sw.Index(folder / "index") as index:
            for path, shelf in files:
                index.add([path], metadata={"shelf": shelf}, on_error="raise")
        self.index = sw.Index.open(folder / "index")
        self.fill(files)

    def fill(self, files: list[tuple[Path, int]]) -> None:
        raise NotImplementedError

    def make(self, home: str, **options: Any) -> Any:
        raise NotImplementedError

    def ask(self, retriever: Any, **options: Any) -> list[tuple[str, float]]:
        raise NotImplementedError

    def again(self, home: str, retriever: Any, **options: Any) -> Any:
        raise NotImplementedError

    def only(self, shelf: int) -> Any:
        return {"shelf": shelf}

    def named(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return options under the framework's names and in its language of filters."""
        names = {"k": self.k, "filters": self.filters}
        given = {names.get(name, name): value for name, value in options.items()}
        return {n: self.only(v["shelf"]) if n == self.filters else v for n, v in given.items()}


class LangChain(Framework):
    filters = "filter"

    def fill(self, files: list[tuple[Path, int]]) -> None:
        self.store = SenseweaveChroma("powers", SenseweaveEmbeddings(), persist_directory=str(self.folder / "own"))
        for path, shelf in files:
            documents = MediaLoader([path], embeddings=self.store.embeddings).load()
            for document in documents:
                document.metadata["shelf"] = shelf
            self.store.add_documents(documents)

    def make(self, home: str, **options: Any) -> Any:
        place: Any = {"index": self.index} if home == "index" else {"vector_stores": [self.store]}
        return LangChainRetriever(**place, **options)

    def ask(self, retriever: Any, **options: Any) -> list[tuple[str, float]]:
        found = retriever.invoke(QUESTION, **options)
        return [(document.id, document.metadata["score"]) for document in found]

    def again(self, home: str, retriever: Any, **options: Any) -> Any:
        kept = retriever.model_dump_json(exclude={"index", "vector_stores", "rerank"})
        return self.make(home, **json.loads(kept))


class LlamaIndex(Framework):
    k = "similarity_top_k"
    serializes = False  # LlamaIndex serializes no retriever

    def fill(self, files: list[tuple[Path, int]]) -> None:
        self.model = SenseweaveEmbedding()
        client = chromadb.PersistentClient(str(self.folder / "own"))
        self.store = ChromaVectorStore(
            chroma_collection=client.create_collection("powers", configuration={"hnsw": {"space": "cosine"}})
        )
        for path, shelf in files:
            documents = MediaReader(embed_model=self.model).load_data(path, {"shelf": shelf})
            self.store.add(list(self.model(documents)))

    def make(self, home: str, **options: Any) -> Any:
        if home == "index":
            return LlamaIndexRetriever(index=self.index, **options)
        return LlamaIndexRetriever(self.store, self.model, **options)

    def ask(self, retriever: Any, **options: Any) -> list[tuple[str, float]]:
        found = retriever.retrieve(MediaQueryBundle(QUESTION, options=options or None))
        return [(hit.node.node_id, hit.score) for hit in found]

    def only(self, shelf: int) -> Any:
        return MetadataFilters(filters=[MetadataFilter(key="shelf", value=shelf, operator=FilterOperator.EQ)])


class Haystack(Framework):
    k = "top_k"

    def fill(self, files: list[tuple[Path, int]]) -> None:
        self.store = ChromaDocumentStore(
            collection_name="powers", persist_path=str(self.folder / "own"), distance_function="cosine"
        )
        for path, shelf in files:
            documents = MediaToDocument().run([path], meta={"shelf": shelf})["documents"]
            self.store.write_documents(SenseweaveDocumentEmbedder().run(documents)["documents"])

    def make(self, home: str, **options: Any) -> Any:
        if home == "index":
            return SenseweaveMultimodalRetriever(index=self.folder / "index", **options)
        modalities = options.pop("modalities", ["text", "image", "audio"])
        inner = {"all": SenseweaveChromaRetriever(document_store=self.store)}
        return SenseweaveMultimodalRetriever(retrievers=inner, modalities=modalities, **options)

    def ask(self, retriever: Any, **options: Any) -> list[tuple[str, float]]:
        inputs = {name: options.pop(name) for name in ("top_k", "filters", "modalities") if name in options}
        found = retriever.run(query=QUESTION, options=options or None, **inputs)["documents"]
        return [(document.id, document.score) for document in found]

    def again(self, home: str, retriever: Any, **options: Any) -> Any:
        return SenseweaveMultimodalRetriever.from_dict(json.loads(json.dumps(retriever.to_dict())))

    def only(self, shelf: int) -> Any:
        return {"field": "meta.shelf", "operator": "==", "value": shelf}


FRAMEWORKS: dict[str, type[Framework]] = {"LangChain": LangChain, "LlamaIndex": LlamaIndex, "Haystack": Haystack}


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request: Any, tmp_path_factory: pytest.TempPathFactory, files: list[tuple[Path, int]]) -> Framework:
    return FRAMEWORKS[request.param](tmp_path_factory.mktemp(request.param), files)


@pytest.fixture(params=["index", "store"])
def home(request: Any) -> str:
    return str(request.param)


def test_the_table_holds_every_option_of_the_core() -> None:
    assert set(OPTIONS) | {"modalities", "filters"} == set(POWERS)


@pytest.mark.parametrize("name", POWERS)
def test_a_field_an_argument_of_a_call_and_a_serialized_parameter_do_the_same(
    framework: Framework, home: str, name: str
) -> None:
    power = POWERS[name]
    beside = {"k": K, **dict(power.beside)}
    plain = framework.make(home, **framework.named(beside))
    without = framework.ask(plain)
    value = without[0][1] if name == "min_score" else power.value
    given = framework.named({name: value})
    field = framework.make(home, **framework.named(beside), **given)
    expected = framework.ask(field)
    assert expected != without, "the option makes no difference here"
    assert framework.ask(plain, **given) == expected
    assert framework.ask(plain) == without
    if framework.serializes and power.serializable:
        assert framework.ask(framework.again(home, field)) == expected


@pytest.mark.parametrize("name", ["k", *POWERS])
def test_an_index_ranks_as_it_does_by_itself(framework: Framework, name: str) -> None:
    power = Power(2) if name == "k" else POWERS[name]
    value = framework.index.search(QUESTION, k=K)[0].score if name == "min_score" else power.value
    options = {"k": K, **dict(power.beside), name: value}
    core = {"filter" if option == "filters" else option: given for option, given in options.items()}
    expected = [(hit.id, hit.score) for hit in framework.index.search(QUESTION, **core)]
    assert framework.ask(framework.make("index"), **framework.named(options)) == expected


def test_modalities_of_a_call_stand_in_place_of_those_of_the_retriever(framework: Framework, home: str) -> None:
    texts = framework.make(home, modalities=["text"])
    images = framework.make(home, modalities=["image"])
    assert framework.ask(texts, modalities=["image"]) == framework.ask(images)
    both = framework.ask(texts, modalities=["image", "text"], **{framework.k: 20})
    assert {name for name, _ in both} == {
        name for each in (texts, images) for name, _ in framework.ask(each, **{framework.k: 20})
    }
    with pytest.raises(ValueError, match="unknown modality 'smell'"):
        framework.ask(texts, modalities=["smell"])
    with pytest.raises(ValueError, match="modalities is empty"):
        framework.ask(texts, modalities=[])


def test_filters_of_a_call_narrow_those_of_the_retriever(framework: Framework, home: str) -> None:
    own = framework.named({"filters": {"shelf": 3}})
    own |= {"filter_policy": "merge"} if isinstance(framework, Haystack) else {}
    retriever = framework.make(home, **own)
    assert len(framework.ask(retriever)) == 2
    assert framework.ask(retriever, **framework.named({"filters": {"shelf": 1}})) == []
