"""How texts are cut into words, and how word scores compare with those of vectors."""

import random

import pytest

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.search.words.base import WordRow
from senseweave.retrieval.search.words.scoring import chance, information, okapi_weight, scale
from senseweave.retrieval.search.words.sqlite_index import SqliteWords
from senseweave.retrieval.search.words.tokens import LONGEST, MOST_TERMS, Term, cut_words, parse_words


@pytest.mark.parametrize(
    ("text", "parts", "wholes"),
    [
        ("part 4711-B.", ["part", "4711", "b"], ["4711b"]),
        ("E_CONN-042, v2.3.1", ["e", "conn", "042", "v", "2", "3", "1"], ["econn042", "v231"]),
        (
            "getUserName HTTPServer PDFs",
            ["get", "user", "name", "http", "server", "pdfs"],
            ["getusername", "httpserver"],
        ),
        ("Müller, Straße, Łódź", ["muller", "strasse", "lodz"], []),
        ("Donau\u00addampf\u00adschiff 47\u206011-B \u00ad", ["donaudampfschiff", "4711", "b"], ["4711b"]),
        ("ёж и мир", ["еж", "и", "мир"], []),
        ("\uff21\uff22\uff23 ﬁne", ["abc", "fine"], []),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"], []),
        ("東京都 犬", ["東京", "京都", "都", "犬"], []),
        ("ไทย", ["ไท", "ทย", "ย"], []),
        ("", [], []),
        ("... -- __ \x00", [], []),
    ],
)
def test_texts_are_cut_into_words_and_identifiers(text, parts, wholes):
    words = cut_words(text)
    assert (list(words.parts), list(words.wholes)) == (parts, wholes)


def test_what_is_too_long_for_an_identifier_is_kept_in_parts_alone():
    words = cut_words("-".join(["abcd"] * LONGEST))
    assert len(words.parts) == LONGEST
    assert words.wholes == ()


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("dog 4711-B", [Term((("dog",),)), Term((("4711", "b"), ("4711b",)))]),
        ('"exact phrase" ab*', [Term((("exact", "phrase"),)), Term((("ab",),), True)]),
        ("„genaue Worte“", [Term((("genaue", "worte"),))]),
        ('"open', [Term((("open",),))]),
        ("京都 犬", [Term((("京都",),)), Term((("犬",),), True)]),
        ("dog dog", [Term((("dog",),))]),
        ("* - ? \"\" ''", []),
    ],
)
def test_queries_are_words_phrases_and_prefixes(query, terms):
    assert parse_words(query) == terms


def test_a_pasted_text_is_cut_to_its_first_terms():
    assert len(parse_words(" ".join(f"w{number}x" for number in range(10 * MOST_TERMS)))) == MOST_TERMS


def test_a_word_that_all_records_hold_says_little_and_a_rare_word_much():
    assert okapi_weight(60, 100) == 1e-6
    assert 0 < information(100, 100) < 0.01 < information(50, 100) < information(1, 100)
    full = [scale([okapi_weight(n, 1000)], [information(n, 1000)], 1000) * okapi_weight(n, 1000) for n in (1, 100)]
    assert full[0] > 0.45 > 0.3 > full[1]


def test_phrases_of_another_language_leave_what_is_assumed_of_chance():
    nothing, much = chance([[]] * 96, 1000), chance([[0.4, 0.1]] * 96, 1000)
    assert 0.1 <= nothing.best < 0.2 < much.best < 0.4
    assert nothing.spread < much.spread


def test_the_score_of_a_record_does_not_depend_on_the_list_that_found_it(tmp_path, space):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([sw.Text(f"Valve QZ-{number:03} of hall {number % 7}.") for number in range(120)])
        deep = {hit.id: hit for hit in index.search("valve QZ-017 of hall 3", k=120, words=True)}
        page = index.search("valve QZ-017 of hall 3", k=5, words=True)
        assert [hit.id for hit in page] == list(deep)[:5]
        assert [hit.score for hit in page] == pytest.approx([deep[hit.id].score for hit in page], abs=1e-4)
        vectors = {hit.id: hit for hit in index.search("valve QZ-017 of hall 3", k=120)}
        for identifier, hit in deep.items():
            assert hit.score >= vectors[identifier].score - 1e-4
            assert hit.raw_score == pytest.approx(vectors[identifier].raw_score, abs=1e-4)
        assert deep[page[0].id].score > vectors[page[0].id].score + 1


def test_rows_are_counted_as_they_come_and_go():
    words = SqliteWords(None)
    with words.changing():
        words.add("notes", [WordRow(str(number), f"note {number}", "") for number in (1, 2, 3, 3)])
        words.delete("notes", ["2", "2", "7"])
    assert list(words.digests("notes")) == ["1", "3"]
    words.estimate("notes")
    assert words.statistics("notes").documents == 2


def test_pages_never_overlap_however_deep_the_lists_are_read(tmp_path, space):
    chance = random.Random(4)
    words = [f"word{number}" for number in range(40)]
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([sw.Text(" ".join(chance.choices(words, k=chance.randint(3, 30)))) for _ in range(200)])
        for _ in range(10):
            query = " ".join(chance.sample(words, 4))
            pages = [index.search(query, k=4, offset=4 * page, words=True) for page in range(12)]
            found = [hit.id for page in pages for hit in page]
            assert len(found) == len(set(found)) == 48


def test_words_that_match_are_not_taken_for_the_content_of_the_query_itself(tmp_path, space):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([sw.Text(f"Note {number} of the day: nothing happened.") for number in range(40)])
        index.add([sw.Text("XK-99 again"), sw.Text("XK-99, then XK-99, and once more XK-99")])
        first, second = index.search("XK-99", k=2, words=True)
        assert "XK-99" in first.text
        assert "XK-99" in second.text
        assert first.score > second.score + 0.1
