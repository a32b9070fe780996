"""Words of an index in PostgreSQL: in the database, for every process that uses it, and scored as in a folder."""

import pytest

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.search.words.store_words import StoreWords, words_name

TEXTS = [
    "The pump needs part 4711-B after two years.",
    "Error E_CONN-042 means that the server does not answer.",
    "Call getUserName before you open /etc/settings/user_names.toml.",
    "Zoë Müller wrote the handbook in Łódź: it's the owner's.",
    "東京都の天気は晴れです",
    "The bear is fed at noon and in the evening.",
    "Never open the gate while the bear is awake.",
    *(f"Note {number} of the day: nothing happened at station {number}." for number in range(20)),
]


@pytest.fixture
def open_index(database, space, request):
    stores = []

    def open_index():
        stores.append(sw.stores.PgVector(database, schema=request.node.name[:60]))
        return Index(stores[-1], spaces=[space])

    yield open_index
    for store in stores:
        store.close()


def test_scores_are_those_of_a_folder(open_index, space, tmp_path):
    index = open_index()
    queries = ("4711b", "e_conn-042", '"bear is awake" note', "stat*", "owner's", "muller lodz", "東京", "AND & | !:*")
    with Index(tmp_path / "index", spaces=[space]) as folder:
        for each in (folder, index):
            each.add([sw.Text(text) for text in TEXTS])
        for query in queries:
            expected = {hit.text: pytest.approx(hit.score, abs=1e-3) for hit in folder.search(query, k=6, words=True)}
            assert {hit.text: hit.score for hit in index.search(query, k=6, words=True)} == expected, query


def test_every_client_follows_and_the_words_are_indexed(open_index, monkeypatch):
    index = open_index()
    index.add([sw.Text(f"Valve QZ-{number:03} was looked at.", source=f"note {number}") for number in range(40)])

    def best(each, query):
        return each.search(query, k=1, words=True)[0].text

    assert best(index, "QZ-017") == "Valve QZ-017 was looked at."
    other = open_index()
    monkeypatch.setattr(StoreWords, "_go_through", None)
    other.add(sw.Text("The fuse XK-99 is blown.", source="fuse"))
    assert best(index, "XK-99") == "The fuse XK-99 is blown."
    other.delete(sources="fuse")
    assert "XK-99" not in best(index, "XK-99")
    (name,) = [name for name in index._store.store.collections() if name.endswith(words_name("")) and "text" in name]
    with index._store.store.connection() as connection:
        table = index._store.store.table(name)
        query = "SELECT 1 FROM pg_indexes WHERE schemaname = %s AND indexname = %s"
        assert connection.execute(query, [table.schema, table.index("words")]).fetchone() == (1,)


def test_a_word_of_thousands_of_letters_is_left_out_and_those_beside_it_are_found(open_index):
    index = open_index()
    index.add([sw.Text(text) for text in TEXTS])
    index.search("bear", words=True)
    index.add(sw.Text(f"Key KX-51: {'q7' * 5000} of the owner."))
    assert index.search("KX-51", k=1, words=True)[0].text.startswith("Key KX-51")
