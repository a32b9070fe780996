"""Filters of Haystack, divided into what Chroma answers exactly and what is checked on its answer."""

import itertools

import pytest
from haystack import Document
from haystack.errors import FilterError
from haystack.utils.filters import document_matches_filter
from haystack_integrations.components.retrievers.senseweave import SenseweaveChromaRetriever
from haystack_integrations.components.retrievers.senseweave.filters import chroma_query, divide, for_index, matches
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

from senseweave.retrieval.stores.filters import compile_filter


def _is(field, operator, value):
    return {"field": field, "operator": operator, "value": value}


def _all(*conditions):
    return {"operator": "AND", "conditions": list(conditions)}


def _any(*conditions):
    return {"operator": "OR", "conditions": list(conditions)}


def _not(*conditions):
    return {"operator": "NOT", "conditions": list(conditions)}


FILTERS = [
    None,
    _is("meta.kind", "==", "a"),
    _is("meta.kind", "!=", "a"),
    _is("meta.size", ">", 2),
    _is("meta.size", "<=", 2.5),
    _is("meta.kind", "in", ["a", "c"]),
    _is("meta.kind", "not in", ["a", "c"]),
    _is("meta.flag", "==", True),
    _is("meta.kind", "in", []),
    _is("meta.size", "in", [1, "x"]),
    _is("meta.kind", "==", None),
    _is("meta.day", ">", "2024-01-15"),
    _is("id", "==", "3"),
    _is("id", "!=", "3"),
    _is("meta.a.b", "==", 1),
    _is("meta.id", "==", "3"),
    _is("meta.content", "==", "x"),
    _not(_is("meta.kind", "==", "a")),
    _not(_is("meta.kind", "==", "a"), _is("meta.size", ">", 2)),
    _not(_is("meta.kind", "==", "a"), _is("meta.flag", "==", True)),
    _not(_not(_is("meta.kind", "==", "a"))),
    _not(_is("meta.size", ">", 2)),
    _all(_is("meta.kind", "!=", "b"), _not(_is("meta.size", "<", 3))),
    _any(_is("meta.kind", "==", "b"), _is("id", "==", "1")),
    _any(_is("meta.kind", "==", "b"), _not(_is("meta.flag", "==", True), _is("meta.kind", "==", "a"))),
    _all(_is("meta.kind", "==", "a")),
    _not(_is("meta.kind", "in", ["a"]), _is("meta.kind", "not in", ["b"])),
]


@pytest.fixture(scope="module")
def documents():
    values = itertools.product(["a", "b", "c", None], [1, 2.5, 4, None], [True, False, None])
    made = []
    for number, (kind, size, flag) in enumerate(values):
        meta = {"kind": kind, "size": size, "flag": flag, "day": f"2024-01-{number % 28 + 1:02}", "b": 1}
        known = {name: value for name, value in meta.items() if value is not None}
        made.append(Document(id=str(number), content="x", meta=known, embedding=[1.0, 0.0]))
    return made


@pytest.fixture(scope="module")
def store(documents):
    store = ChromaDocumentStore(collection_name="filters", distance_function="cosine")
    store.write_documents(documents)
    return store


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_what_is_pushed_and_what_is_checked_mean_the_filter_together(filters, documents, store):
    pushed, checked = divide(filters)
    found = store.search_embeddings([[1.0, 0.0]], 1000, pushed)[0]
    kept = {document.id for document in found if checked is None or document_matches_filter(checked, document)}
    assert kept == {
        document.id for document in documents if filters is None or document_matches_filter(filters, document)
    }


DOG, CAT = _is("content", "contains", "dog"), _is("content", "contains", "cat")
RED, TEXT = _is("meta.kind", "==", "red"), _is("meta.modality", "not in", ["image", "audio", "video"])
WORDS = {
    "modality first": (_all(TEXT, DOG), "dog, dog and cat, red dog"),
    "modality last": (_all(DOG, TEXT), "dog, dog and cat, red dog"),
    "field and words": (_all(RED, DOG, CAT), ""),
    "nested alternatives": (_all(_any(DOG, CAT), _any(RED, _is("meta.kind", "==", "blue"))), "blue cat, red dog"),
    "alternatives of words": (
        _all(_any(DOG, CAT), _any(CAT, _is("content", "contains", "bird"))),
        "blue cat, dog and cat",
    ),
    "words or a field": (_any(RED, CAT), "blue cat, dog and cat, nothing, red dog"),
    "words or a field, in both orders": (_all(_any(RED, CAT), _any(DOG, RED)), "dog and cat, nothing, red dog"),
    "neither": (_not(_any(DOG, RED)), "blue cat, picture"),
    "not both": (_not(DOG, RED), "blue cat, dog, dog and cat, nothing, picture"),
    "without words": (_all(_is("content", "not contains", "dog"), TEXT), "blue cat, nothing"),
    "words and an id": (_all(DOG, _not(_is("id", "==", "dog"))), "dog and cat, red dog"),
    "not without words": (_not(_is("content", "not contains", "cat")), "blue cat, dog and cat"),
    "one condition": (_all(_any(_all(DOG))), "dog, dog and cat, red dog"),
}
"""Filters on content beside others, and the ids of the Documents that meet them."""


@pytest.fixture(scope="module")
def animals():
    made = {
        "dog": ("a dog", {}),
        "dog and cat": ("a dog, a cat", {}),
        "red dog": ("a red dog", {"kind": "red", "modality": "text"}),
        "blue cat": ("a blue cat", {"kind": "blue"}),
        "nothing": ("Dogs", {"kind": "red"}),
        "picture": ("blue", {"modality": "image"}),
    }
    store = ChromaDocumentStore(collection_name="animals", distance_function="cosine")
    documents = [
        Document(id=name, content=text, meta=meta or {"n": 1}, embedding=[1.0, number / 9])
        for number, (name, (text, meta)) in enumerate(made.items())
    ]
    store.write_documents(documents)
    return store, documents


@pytest.mark.parametrize(("filters", "ids"), WORDS.values(), ids=WORDS)
def test_words_and_other_conditions_hold_together(animals, filters, ids):
    store, documents = animals
    found = SenseweaveChromaRetriever(document_store=store).run(query_embedding=[1.0, 0.0], filters=filters)
    assert ", ".join(sorted(document.id for document in found["documents"])) == ids
    assert ", ".join(sorted(document.id for document in documents if matches(filters, document))) == ids


def test_modalities_and_words_hold_together(animals):
    store, _ = animals
    retriever = SenseweaveChromaRetriever(document_store=store, modalities=["text"])
    found = retriever.run(query_embedding=[1.0, 0.0], filters=DOG)["documents"]
    assert [document.id for document in found] == ["dog", "dog and cat", "red dog"]
    assert retriever.run(query_embedding=[1.0, 0.0], filters=DOG, modalities=["image"])["documents"] == []


def test_words_are_joined_for_chroma_and_kept_apart_from_metadata():
    pushed, checked = divide(_all(TEXT, _any(DOG, CAT), _not(_any(DOG, RED))))
    assert checked is None
    words = {"$and": [{"$or": [{"$contains": "dog"}, {"$contains": "cat"}]}, {"$not_contains": "dog"}]}
    assert chroma_query(pushed) == (_all(TEXT, _is("meta.kind", "!=", "red")), words)
    assert divide(_all(TEXT, _any(DOG, RED))) == (TEXT, _any(DOG, RED))


@pytest.mark.parametrize("value", ["", None, 3, ["dog"]])
def test_words_are_a_text(animals, value):
    retriever = SenseweaveChromaRetriever(document_store=animals[0])
    for filters in (_is("content", "contains", value), _any(RED, _is("content", "not contains", value))):
        with pytest.raises(FilterError, match="a text that is not empty"):
            retriever.run(query_embedding=[1.0, 0.0], filters=filters)


def test_a_not_that_is_exact_goes_to_the_store():
    assert divide(_not(_is("meta.kind", "==", "a"))) == (_is("meta.kind", "!=", "a"), None)
    assert divide(_all(_is("meta.kind", "==", "a"), _is("id", "==", "1"))) == (
        _is("meta.kind", "==", "a"),
        _is("id", "==", "1"),
    )


def test_a_search_of_words_is_left_to_chroma():
    filters = _all(_is("content", "contains", "dog"), _is("content", "contains", "cat"))
    assert divide(filters) == (filters, None)


@pytest.mark.parametrize(
    "broken",
    [{"field": "meta.x", "value": 1}, {"field": "meta.x", "operator": "=="}, {"operator": "XOR", "conditions": []}],
)
def test_what_is_no_filter_is_an_error(broken):
    with pytest.raises(FilterError):
        divide(broken)
    with pytest.raises(FilterError):
        for_index(broken)


def test_filters_of_an_index_keep_their_meaning():
    filters = _all(_is("meta.file_path", "==", "a.jpg"), _not(_is("meta.kind", "==", "x"), _is("meta.size", ">", 2)))
    assert for_index(filters) == {
        "and": [
            {"source": {"eq": "a.jpg"}},
            {"not": {"and": [{"kind": {"eq": "x"}}, {"size": {"gt": 2}}]}},
        ]
    }
    assert compile_filter(for_index(filters)) is not None
    with pytest.raises(FilterError, match="no condition"):
        for_index(_is("content", "contains", "dog"))


@pytest.mark.parametrize("name", ["score", "content", "id"])
def test_meta_named_as_a_field_of_a_document_is_a_condition_of_an_index(name):
    assert for_index(_is(f"meta.{name}", "==", 3)) == {name: {"eq": 3}}
    with pytest.raises(FilterError, match="no condition"):
        for_index(_is(name, "==", 3))


def test_a_file_path_of_the_user_is_asked_for_by_the_name_that_documents_show():
    assert for_index(_is("meta.user_file_path", "==", "shelf 3")) == {"file_path": {"eq": "shelf 3"}}


def _nested(levels):
    filters = _is("meta.kind", "==", "a")
    for level in range(levels):
        filters = (_any, _all)[level % 2](filters, _is("meta.size", ">", level))
    return filters


def _itself():
    filters = _all(_is("meta.kind", "==", "a"))
    filters["conditions"].append(filters)
    return filters


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        (_nested(5000), "nested 100 levels deep"),
        (_itself(), "nested 100 levels deep"),
        (_any(*(_is("meta.size", "==", n) for n in range(30_000))), "20,000 parts"),
        (_is("meta.size", "in", list(range(200_000))), "100,000 values"),
        (_any(*(_is("content", "contains", str(n)) for n in range(300))), "200 parts"),
    ],
    ids=["deep", "in itself", "many", "values", "words"],
)
def test_filters_that_would_end_the_process_are_an_error_that_names_the_limit(filters, says):
    with pytest.raises(FilterError, match=says):
        divide(filters)
    if "200 parts" not in says:
        with pytest.raises(FilterError, match=says):
            for_index(filters)


def test_more_filters_than_chroma_answers_are_checked_on_its_answer(store):
    for filters in (
        _any(*(_is("meta.size", ">", n + 2) for n in range(10_000))),
        _is("meta.size", "in", [2, *range(100, 30_000)]),
        _all(_is("meta.kind", "!=", "b"), _nested(40)),
    ):
        assert divide(filters) == (None, filters)
    few = _any(*(_is("meta.size", ">", n + 2) for n in range(100)))
    assert divide(few) == (few, None)
