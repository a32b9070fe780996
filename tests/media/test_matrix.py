"""Each kind of file of the matrix gives what its row says."""

import numpy as np
import pytest

from senseweave.errors import MediaError
from senseweave.media import collect
from senseweave.retrieval.records.loading import ChunkLoader
from tests.media.matrix import DOCUMENT, ENCODED, ROWS, table

OPTIONS = {"audio": {"sampling_rate": 16_000}, "video": {"frames": 2, "sampling_rate": 16_000}}


def check(media, modality, detail):
    """Check one media, or one error, against its part of a row."""
    if modality == "refused":
        error = media if isinstance(media, MediaError) else failure(media)
        assert detail in error.reason
        return
    assert getattr(media, "modality", media) == modality
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


def failure(media):
    """Return the error of dividing and decoding a media."""
    loader = ChunkLoader(pytest.fail, "raise")
    with pytest.raises(MediaError) as caught:
        list(loader.load(media, lambda chunk: chunk.media.decode(**OPTIONS.get(media.modality, {}))))
    return caught.value


def test_the_matrix_has_rows_enough_and_each_kind_once():
    kinds = [row.kind for row in ROWS]
    assert len(kinds) == len(set(kinds))
    assert len(kinds) >= 300


def test_the_documentation_holds_the_table():
    assert DOCUMENT.read_text(encoding="utf-8").endswith(table())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_each_kind_gives_what_its_row_says(matrix_files, row):
    if row in ENCODED:
        pytest.importorskip("chardet")
    found = list(collect(matrix_files[row.kind]))
    assert len(found) == len(row.media), found
    for media, (modality, detail) in zip(found, row.media, strict=True):
        check(media, modality, detail)
    if isinstance(found[0], MediaError) or row.media[0][0] == "refused":
        return
    assert bool(found[0].notes) == row.is_partly_read
