"""Opening an index with other spaces than those that it records."""

import warnings

import pytest
from store_kinds import KINDS, open_store

import senseweave as sw
from senseweave.errors import FingerprintError, SpaceWarning
from senseweave.retrieval import Index


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def store(request):
    opened = open_store(request.param.expression(request))
    yield opened
    opened.close()


@pytest.fixture
def other(tiny):
    """A space of another name and other vectors."""
    return tiny.make_space("other", seed="other")


def recorded(index):
    return {description.space: description.fingerprint for description in index._store.descriptions.values()}


def test_an_index_without_records_takes_other_spaces_unless_others_may_add_meanwhile(store, space, tiny, other):
    changed = tiny.make_space(seed="changed")
    Index(store, spaces=[space], prefix="empty-").close()
    if getattr(store, "is_exclusive", False):
        for named in (changed, other):
            with Index(store, spaces=[named], prefix="empty-") as index:
                assert recorded(index) == {named.name: named.fingerprint}
                assert set(index.spaces) == {named.name}
    else:
        with pytest.raises(FingerprintError):
            Index(store, spaces=[changed], prefix="empty-")
        other = space
    with Index(store, spaces=[other], prefix="empty-") as index:
        index.add(sw.Text("a red apple"))
        assert index.search("apple", k=1)[0].text == "a red apple"


def test_an_index_without_records_opens_with_the_space_that_took_the_place(tmp_path, space, other):
    for named in (space, other):
        Index(tmp_path / "index", spaces=[named]).close()
    with Index.open(tmp_path / "index") as index:
        assert index.info()["spaces"] == ["other"]


def test_an_index_that_lost_all_records_takes_another_model(tmp_path, space, tiny):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add(sw.Text("a red apple", source="apple"))
        index.search("apple", words=True)
        index.delete(sources="apple")
    with Index(tmp_path / "index", spaces=[tiny.make_space(seed="changed")]) as index:
        index.add(sw.Text("a green pear"))
        assert [hit.text for hit in index.search("apple pear", words=True)] == ["a green pear"]


def test_one_record_keeps_the_space_and_refuses_another_model(tmp_path, space, tiny):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add(sw.Text("a red apple"))
    with pytest.raises(FingerprintError):
        Index(tmp_path / "index", spaces=[tiny.make_space(seed="changed")])
    with Index(tmp_path / "index", spaces=[space]) as index:
        assert len(index.search("apple")) == 1


def test_an_open_index_in_a_folder_uses_the_spaces_that_another_left_it(tmp_path, space, other):
    with Index(tmp_path / "index", spaces=[space, other]) as index:
        Index(tmp_path / "index", spaces=[other]).close()
        assert index.add(sw.Text("a red apple")).added == 1
        assert recorded(index) == {"other": other.fingerprint}
        assert len(index.search("apple")) == 1


def test_a_space_that_lacks_records_is_a_warning_until_their_files_are_added(tmp_path, corpus_folder, space, other):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add(corpus_folder)
        count = len(index)
    with pytest.warns(SpaceWarning, match=f"{count} records of this index are not in the space 'other'") as caught:
        index = Index(tmp_path / "index", spaces=[space, other])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with index:
        assert index.add(corpus_folder).added == count
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Index(tmp_path / "index", spaces=[space, other]).close()
        Index.open(tmp_path / "index", spaces=[other]).close()


def test_spaces_of_different_modalities_lack_nothing_of_each_other(tmp_path, tiny, write_picture):
    texts, pictures = tiny.make_space("texts", modalities=("text",)), tiny.make_space("pictures", modalities=("image",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Index(tmp_path / "index", spaces=[texts]) as index:
            index.add(sw.Text("a red apple"))
        Index(tmp_path / "index", spaces=[texts, pictures]).close()
