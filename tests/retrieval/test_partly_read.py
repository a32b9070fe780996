"""What is read only in part is told: in the report, in the records and hits, and by the loaders."""

import wave

import numpy as np
import pytest
from PIL import Image as PILImage

from senseweave.retrieval import Index
from senseweave.retrieval.records.adding import describe_chunk
from senseweave.retrieval.records.loading import ChunkLoader


@pytest.fixture
def folder(tmp_path):
    """Half a recording, a picture without its last bytes, a text with a stray byte, and a whole text."""
    given = tmp_path / "given"
    given.mkdir()
    with wave.open(str(given / "half.wav"), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(np.random.default_rng(0).integers(-9000, 9000, 16_000 * 20).astype("<i2").tobytes())
    whole = (given / "half.wav").read_bytes()
    (given / "half.wav").write_bytes(whole[: len(whole) // 2])
    pixels = np.random.default_rng(0).integers(0, 255, (96, 64, 3), dtype=np.uint8)
    PILImage.fromarray(pixels).save(given / "cut.jpg")
    (given / "cut.jpg").write_bytes((given / "cut.jpg").read_bytes()[:-300])
    (given / "stray.txt").write_bytes("Die Straße führt über die Brücke. ".encode() + b"\xe9")
    (given / "whole.txt").write_text("tomatoes need water")
    return given


def by_name(notes):
    return {source.rpartition("/")[2]: text for source, text in notes.items()}


def check(notes):
    assert set(notes) == {"half.wav", "cut.jpg", "stray.txt"}
    assert notes["half.wav"] == "the sound ends at 10.00 seconds, not at 20.00 as in its header"
    assert notes["cut.jpg"].startswith("the file ends early: below row")
    assert notes["stray.txt"] == "1 byte that utf-8 does not allow was replaced"


def test_the_report_and_the_records_of_an_index_say_so(folder, tmp_path, space):
    with Index(tmp_path / "index", spaces=[space]) as index:
        report = index.add(folder)
        assert report.failed == []
        check({name: "; ".join(notes) for name, notes in by_name(report.partial).items()})
        assert str(report).endswith("3 partly read, 0 failed")
        assert "partial" not in report.counts
        hits = [
            hit for modality in ("text", "image", "audio") for hit in index.search("red", k=9, modalities={modality})
        ]
        check(by_name({hit.source: hit.metadata["notes"] for hit in hits if "notes" in hit.metadata}))
        assert max(hit.span[1] for hit in hits if hit.span is not None) == pytest.approx(10, abs=0.01)
        again = index.add(folder)
        assert again.added == again.updated == 0


def test_a_loader_says_so_in_the_metadata_of_its_documents(folder):
    loader = ChunkLoader(lambda error: None, verify=True)
    made = loader.load(folder, lambda chunk: describe_chunk(chunk.media)[2])
    check(by_name({values["source"]: values["notes"] for values in made if "notes" in values}))
