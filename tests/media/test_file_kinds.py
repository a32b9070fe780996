"""The table of the kinds of files agrees with what is recognized, and with what the readers ask for."""

import io
import sys

import pytest

from senseweave.errors import MissingReaderError
from senseweave.media import collect
from senseweave.media.file_kinds import FILE_KINDS
from senseweave.media.forms.recognition import identify
from tests.media.matrix import NAMED

BY_MIME = {mime: kind for kind in FILE_KINDS for mime in kind.mime_types}


def named(part: str):
    """The kind whose name contains something."""
    (kind,) = [kind for kind in FILE_KINDS if part in kind.name]
    return kind


@pytest.mark.parametrize("row", [row for row in NAMED if row.media[0][0] != "refused"], ids=lambda row: row.kind)
def test_every_kind_of_the_matrix_is_in_the_table(make, row):
    content = identify(io.BytesIO(row.build(make)))
    kind = BY_MIME[content.mime_type]
    assert content.modalities[0] in kind.gives or kind.name == "ZIP"


def test_a_kind_says_what_is_missing_and_how_to_install_it(monkeypatch):
    kind = named("camera raws")
    assert kind.install is None
    monkeypatch.setitem(sys.modules, "rawpy", None)
    assert kind.missing == ("rawpy",)
    assert kind.install == 'pip install "senseweave[photos]"'
    assert kind.describe()["installed"] is False


@pytest.mark.parametrize(
    ("part", "build"),
    [
        ("PDF", lambda make: make.pdf(["one"])),
        ("HTML", lambda make: b"<!DOCTYPE html><html><body><p>Bread</body></html>"),
        ("rich text", lambda make: b"{\\rtf1\\ansi Bread}"),
        ("Wave64", lambda make: make.sound(make.tone(1))),
        ("M4A", lambda make: make.container("adts", sound=make.tone(1, 48_000))),
        ("MP4", lambda make: make.container("mp4", frames=make.frames(range(5)))),
    ],
)
def test_the_line_of_the_table_is_that_of_the_error(make, monkeypatch, part, build):
    data = build(make)
    kind = next(kind for kind in FILE_KINDS if kind.name.startswith(part) or part in kind.name.split(", "))
    for name in [name for name in sys.modules if name.partition(".")[0] == kind.modules[0]]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, kind.modules[0], None)
    (found,) = collect([data])
    if not isinstance(found, MissingReaderError):
        options = {"audio": {"sampling_rate": 16_000}, "video": {"frames": 1}}.get(found.modality, {})
        with pytest.raises(MissingReaderError) as caught:
            found.decode(**options)
        found = caught.value
    assert kind.install in str(found)
