"""An index that an earlier version made opens with what that version computed by default."""

from dataclasses import replace

import pytest

import senseweave as sw
from senseweave.encoders.bridges.faster_whisper import EARLIER_SPEECH
from senseweave.errors import FingerprintError
from senseweave.retrieval import index_spaces

pytestmark = pytest.mark.integration


@pytest.fixture
def earlier(tmp_path, monkeypatch):
    """An index of a version whose defaults were others: its record names the space without options."""
    folder = tmp_path / "index"
    monkeypatch.setattr(index_spaces, "load_options", lambda space: {})
    with sw.Index(folder, spaces=[sw.load("starter", **EARLIER_SPEECH)]) as index:
        index.add([sw.Text("a dog barks")])
        fingerprint = index.spaces["starter"].fingerprint
    monkeypatch.undo()
    assert fingerprint != sw.load("starter").fingerprint
    return folder, fingerprint


def test_it_is_searched_and_added_to_with_its_own_vectors(earlier):
    folder, fingerprint = earlier
    for _ in range(2):  # also after a write, which records the options
        with sw.Index(folder) as index:
            assert [hit.text for hit in index.search("a dog", k=1)] == ["a dog barks"]
            index.add([sw.Text("a cat sleeps")])
            assert index.spaces["starter"].fingerprint == fingerprint


def test_with_the_space_of_today_it_is_refused(earlier):
    folder, _ = earlier
    with pytest.raises(FingerprintError):
        sw.Index(folder, spaces=["starter"])


def test_a_fingerprint_that_no_version_gave_is_refused(earlier):
    folder, _ = earlier
    with sw.Index(folder, spaces=[sw.load("starter", **EARLIER_SPEECH)]) as index:
        (description, *_) = index_spaces.describe(index.spaces["starter"], "")
    with pytest.raises(FingerprintError):
        index_spaces.load_recorded([replace(description, options={}, fingerprint="0" * 16)], "an index")
