"""A hit names the words of the query that it holds, as they are written there."""

import pickle

import pytest

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.search.words.matching import matched_words
from senseweave.retrieval.search.words.tokens import parse_words


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("part 4711b", "Valve 4711-B, and the part 12; 4711-B again.", ("4711-B", "part")),
        ("4711 b", "Valve 4711-B", ("4711-B",)),
        ("4711", "Valve 4711-B or 4711", ("4711-B", "4711")),
        ('"dental pract*"', "The practice: a Dental practice.", ("Dental", "practice")),
        ("hand*", "Handbook and hands off", ("Handbook", "hands")),
        ("getusername", "Call getUserName()", ("getUserName",)),
        ("getuser*", "Call getUserName()", ("getUserName",)),
        ("muller", "Zoë Müller", ("Müller",)),
        ("水漏れ", "ポンプは水漏れしています", ("水漏れ",)),
        ("バルブ", "工場の ﾊﾞﾙﾌﾞ", ("ﾊﾞﾙﾌﾞ",)),
        ("dampfschiff", "Ein Dampf\u00adschiff!", ("Dampf\u00adschiff",)),
        ("Dampf\u00adschiff", "Ein Dampfschiff!", ("Dampfschiff",)),
        ("bear", "bearing", ()),
        ("", "text", ()),
        ("text", "", ()),
    ],
)
def test_words_are_returned_as_they_are_written(query, text, found):
    assert matched_words(parse_words(query), text) == found


def test_a_hit_names_the_words_of_its_text_else_of_its_source(space, tmp_path):
    (tmp_path / "boiler-R17.txt").write_text("Looked at in spring.")
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([tmp_path / "boiler-R17.txt", sw.Text("Fuse XK-99 is blown.")])
        (fuse,) = index.search("what about xk99?", k=1, words=True)
        assert fuse.matched_words == pickle.loads(pickle.dumps(fuse)).matched_words == ("XK-99",)
        assert fuse.result_metadata["matched_words"] == ["XK-99"]
        (boiler,) = index.search("R17", k=1, words=True)
        assert boiler.matched_words[0].endswith("boiler-R17.txt")
        (plain,) = index.search("what about xk99?", k=1)
        assert plain.matched_words == ()
        assert "matched_words" not in plain.result_metadata


def test_passwords_and_keys_of_a_url_are_no_words_of_its_name(space, tmp_path):
    address = "https://ann:hunter2@example.com/boiler-R17.txt?token=k3y9"
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([sw.Text("Looked at in spring.", source=address), sw.Text("Another.")])
        for secret in ("hunter2", "k3y9"):
            found, plain = (index.search(secret, words=words) for words in (True, False))
            assert [(hit.score, hit.matched_words) for hit in found] == [(hit.score, ()) for hit in plain]
        (hit,) = index.search("R17", k=1, words=True)
        assert hit.source == address
        (matched,) = hit.matched_words
        assert "boiler-R17.txt" in matched
        assert "hunter2" not in matched
        assert "k3y9" not in matched
