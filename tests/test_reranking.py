"""The index and the retrievers of the three frameworks rank anew by the same models, and a pipeline file by none."""

import asyncio
import json
from contextlib import nullcontext

import pytest
from tiny_models import import_tiny

import senseweave as sw
from senseweave.testing import toy_space

pytest.importorskip("sentence_transformers")
TEXTS = ["a small dog runs on the green grass", "rain falls on the roof", "a fox is a small animal", "the old house"]
QUESTION = "a small dog"
NEEDS = {
    "awaited": "senseweave",
    "langchain": "langchain_senseweave",
    "llama_index": "llama_index",
    "haystack": "haystack",
}
"""What a way to retrieve imports, where it is not called the same."""


@pytest.fixture(scope="module", params=["cross_encoder", "colbert", "splade", "qwen"])
def folder(request, tmp_path_factory):
    module = import_tiny("tiny_picture_rerankers" if request.param == "qwen" else "tiny_rerankers")
    return str(getattr(module, f"save_{request.param}")(tmp_path_factory.mktemp(request.param)))


@pytest.fixture
def index(tmp_path):
    with sw.Index(tmp_path / "index", spaces=[toy_space()]) as index:
        index.add([sw.Text(text, source=text) for text in TEXTS])
        yield index


def langchain(index, folder):
    from langchain_senseweave import SenseweaveRetriever

    documents = SenseweaveRetriever(index=index, rerank=folder, k=4).invoke(QUESTION)
    return [(document.page_content, document.metadata["score"]) for document in documents]


def llama_index(index, folder):
    from llama_index.retrievers.senseweave import SenseweaveRetriever

    nodes = SenseweaveRetriever(index=index, similarity_top_k=4, rerank=folder).retrieve(QUESTION)
    return [(node.node.get_content(), node.score) for node in nodes]


def haystack(index, folder):
    from haystack_integrations.components.retrievers.senseweave import SenseweaveMultimodalRetriever

    documents = SenseweaveMultimodalRetriever(index=index, rerank=folder, top_k=4).run(query=QUESTION)["documents"]
    return [(document.content, document.score) for document in documents]


def awaited(index, folder):
    hits = asyncio.run(index.asearch(QUESTION, k=4, rerank=folder))
    return [(hit.text, hit.score) for hit in hits]


@pytest.mark.parametrize("retrieve", [awaited, langchain, llama_index, haystack])
@pytest.mark.filterwarnings("ignore::senseweave.errors.RerankWarning")
def test_every_framework_ranks_as_the_index_does(retrieve, index, folder):
    pytest.importorskip(NEEDS.get(retrieve.__name__, retrieve.__name__))
    scores = sw.load_reranker(folder).score(QUESTION, TEXTS).values
    expected = sorted(zip(TEXTS, scores, strict=True), key=lambda pair: -pair[1])
    found = retrieve(index, folder)
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-4)


def test_the_command_line_ranks_as_the_index_does(index, folder, monkeypatch):
    from typer.testing import CliRunner

    from senseweave.cli.app import app

    monkeypatch.setattr("senseweave.cli.searching.open_index", lambda *_, **__: nullcontext(index))
    arguments = ["search", "index", QUESTION, "-k", "4", "--rerank", folder, "--rerank-depth", "2", "--json"]
    done = CliRunner().invoke(app, arguments)
    hits = index.search(QUESTION, k=4, rerank=folder, rerank_depth=2)
    found = [(hit["text"], hit["score"]) for hit in json.loads(done.stdout)]
    assert [text for text, _ in found] == [hit.text for hit in hits]
    assert [score for _, score in found] == pytest.approx([hit.score for hit in hits], rel=1e-3)


def test_a_pipeline_file_names_no_reranker_that_nobody_named(tmp_path, monkeypatch):
    pytest.importorskip("haystack")
    from haystack_integrations.components.retrievers.senseweave import SenseweaveMultimodalRetriever

    monkeypatch.setenv("SENSEWEAVE_DATA", str(tmp_path / "data"))
    mine = SenseweaveMultimodalRetriever(index=tmp_path / "index", rerank=str(tmp_path / "mine"))
    recorded = mine.to_dict()
    assert SenseweaveMultimodalRetriever.from_dict(recorded).rerank == str(tmp_path / "mine")
    for stranger in ("a-stranger/model", str(tmp_path / "other"), ["a"]):
        recorded["init_parameters"]["rerank"] = stranger
        with pytest.raises(sw.TrustError, match="SenseweaveMultimodalRetriever"):
            SenseweaveMultimodalRetriever.from_dict(recorded)
    recorded["init_parameters"]["rerank"] = "a-stranger/model"
    with sw.trust("download"):
        assert SenseweaveMultimodalRetriever.from_dict(recorded).rerank == "a-stranger/model"
