"""Each kind of file of the matrix gives what its row says, from `collect` and from the loader alike."""

import numpy as np
import pytest

from senseweave.errors import MediaError
from senseweave.media import collect
from senseweave.media.base import source_name
from senseweave.retrieval.records.adding import describe_chunk
from senseweave.retrieval.records.loading import ChunkLoader
from tests.media.matrix import DOCUMENT, ENCODED, ROWS, table

OPTIONS = {"audio": {"sampling_rate": 16_000}, "video": {"frames": 2, "sampling_rate": 16_000}}


def check(media, expected):
    """Check one media against its part of a row."""
    modality, _, detail = expected.partition(" ")
    assert media.modality == modality
    decoded = media.decode(**OPTIONS.get(modality, {}))
    if modality == "text":
        assert detail in decoded
    elif modality == "image":
        assert "x".join(map(str, decoded.size)) == detail
        assert np.asarray(decoded).std() > 0 or media.page is not None
    else:
        seconds = float(detail)
        assert media.duration == pytest.approx(seconds, abs=max(0.15, 0.3 * seconds if media.notes else 0))
        sound = decoded if modality == "audio" else decoded.sound
        assert sound is None or not sound.silent
        assert modality == "audio" or len(decoded.frames) == 2


def test_the_matrix_has_rows_enough_and_each_kind_once():
    kinds = [row.kind for row in ROWS]
    assert len(kinds) == len(set(kinds))
    assert len(kinds) >= 200


def test_the_documentation_holds_the_table():
    assert DOCUMENT.read_text(encoding="utf-8").endswith(table())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_each_kind_gives_what_its_row_says(make, tmp_path, row):
    if row in ENCODED:
        pytest.importorskip("chardet")
    path = tmp_path / "file"
    path.write_bytes(row.build(make))
    found = list(collect(path))
    expected = row.gives.removesuffix(" (partly)")
    if expected.startswith("refused"):
        reason = expected.removeprefix("refused ")
        outcome = [item if isinstance(item, MediaError) else failure(item) for item in found]
        assert len(outcome) == 1
        assert reason in outcome[0].reason
        return
    parts = [expected] if expected.startswith("text") and "; image" not in expected else expected.split("; ")
    assert [getattr(item, "modality", item) for item in found] == [part.partition(" ")[0] for part in parts]
    for media, part in zip(found, parts, strict=True):
        check(media, part)
    assert bool(found[0].notes) == row.gives.endswith(" (partly)")

    failed = []
    loaded = list(ChunkLoader(failed.append, "skip", verify=True).load(path, lambda chunk: describe_chunk(chunk.media)))
    assert failed == []
    assert {values["modality"] for _, _, values in loaded} == {media.modality for media in found}
    assert {values["source"] for _, _, values in loaded} == {source_name(found[0])}
    assert all(("notes" in values) == row.gives.endswith(" (partly)") for _, _, values in loaded)


def failure(media):
    """Return the error of decoding a media."""
    with pytest.raises(MediaError) as caught:
        media.decode(**OPTIONS.get(media.modality, {}))
    return caught.value
