"""Prompts by role: given, saved with the model, known by name, or missed loudly."""

from __future__ import annotations

import warnings

import pytest

from senseweave.encoders.parts.prompts import REGISTRY, find_prompts, find_tasks
from senseweave.errors import PromptWarning

BGE = "Represent this sentence for searching relevant passages: "
SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/e5-base-v2", "query: ", "passage: "),
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large-instruct", SEARCH + " ", ""),
        ("Qwen/Qwen3-Embedding-0.6B", SEARCH, ""),
        ("Alibaba-NLP/gte-Qwen2-7B-instruct", SEARCH + " ", ""),
        ("BAAI/bge-small-en-v1.5", BGE, ""),
        ("BAAI/bge-m3", "", ""),
        ("mixedbread-ai/mxbai-embed-large-v1", BGE, ""),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", BGE, ""),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("google/embeddinggemma-300m", "task: search result | query: ", "title: none | text: "),
        (
            "jinaai/jina-embeddings-v3",
            "Represent the query for retrieving evidence documents: ",
            "Represent the document for retrieval: ",
        ),
        (
            "hkunlp/instructor-large",
            "Represent the question for retrieving supporting documents: ",
            "Represent the document for retrieval: ",
        ),
        ("sentence-transformers/all-MiniLM-L6-v2", "", ""),
        ("Alibaba-NLP/gte-modernbert-base", "", ""),
    ],
)
def test_a_known_model_has_the_prompts_of_its_card_without_a_warning(name, query, document):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prompts = find_prompts(name)
    assert (prompts.query, prompts.document) == (query, document)
    assert prompts.source.startswith("registry: ")


def test_every_entry_of_the_registry_names_its_source():
    assert all(known.source for known in REGISTRY)


def test_saved_prompts_come_before_the_registry():
    prompts = find_prompts("intfloat/e5-base-v2", saved={"query": "Q: ", "passage": "P: "})
    assert (prompts.query, prompts.document, prompts.source) == ("Q: ", "P: ", "config")


def test_saved_prompts_that_are_empty_are_placeholders_and_the_registry_is_asked():
    prompts = find_prompts("intfloat/e5-base-v2", saved={"query": "", "document": ""})
    assert (prompts.query, prompts.document) == ("query: ", "passage: ")


def test_given_prompts_come_before_all_and_may_be_none():
    assert find_prompts("intfloat/e5-base-v2", prompts={"query": "q "}).query == "q "
    assert find_prompts("intfloat/e5-base-v2", prompts={}).query == ""


def test_prompts_are_given_by_role():
    with pytest.raises(ValueError, match="'passage'"):
        find_prompts("x", prompts={"passage": "passage: "})


def test_a_local_folder_is_known_by_the_name_it_was_saved_from():
    assert find_prompts("/models/mine", aliases=["BAAI/bge-base-en-v1.5"]).query == BGE


@pytest.mark.parametrize(
    "signs",
    [
        {"name": "someone/my-e5-finetune"},
        {"name": "someone/great-retriever"},
        {"name": "someone/model", "saved": {"STS": "Compare: "}},
        {"name": "someone/model", "card": 'Put "query: " and "passage: " before your texts.'},
        {"name": "someone/model", "card": "model.encode(queries, prompt_name='web')"},
    ],
)
def test_a_model_that_looks_asymmetric_and_has_no_prompts_warns(signs):
    with pytest.warns(PromptWarning, match="looks as if it needed prompts"):
        prompts = find_prompts(**signs)
    assert (prompts.query, prompts.document, prompts.source) == ("", "", "none")


def test_a_model_without_any_sign_is_quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_prompts("someone/plain-sentences", card="Maps sentences to vectors.").source == "none"


def test_adapters_are_chosen_by_role_where_a_model_has_them():
    tasks = find_tasks("jinaai/jina-embeddings-v3")
    assert tasks == {"query": "retrieval.query", "document": "retrieval.passage"}
    assert find_tasks("BAAI/bge-m3") == {}
