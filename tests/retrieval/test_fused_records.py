"""A fused item is one record of an index: added, found, shown, exported and deleted as one."""

import json
from types import SimpleNamespace

import pytest
from PIL import Image as Picture

import senseweave as sw
from senseweave.retrieval.records.schema import read_metadata
from senseweave.stores import Memory
from senseweave.testing import toy_space


@pytest.fixture
def photos(tmp_path):
    paths = [tmp_path / f"{color}.png" for color in ("red", "green", "blue")]
    for path in paths:
        Picture.new("RGB", (20, 12), path.stem).save(path)
    return paths


@pytest.fixture
def space():
    return toy_space(modalities=["text", "image"])


@pytest.fixture
def index(space):
    with sw.Index(Memory(), spaces=[space]) as index:
        yield index


def product(photo, words="a red kettle", **options):
    return sw.fuse({"image": photo, "text": words}, source="product-1", metadata={"price": 12}, **options)


def test_a_fused_item_is_found_as_one_hit_that_shows_its_parts(index, space, photos):
    fused = product(photos[0], weights={"image": 1, "text": 3})
    assert index.add([fused, photos[1], sw.Text("a lamp")]).added == 3
    hit = index.search(fused, k=3)[0]
    assert hit.source == "product-1"
    asked, stored = space.embed([fused], role="query")[0], space.embed([fused])[0]
    assert hit.raw_score == pytest.approx(float(asked @ stored), abs=1e-5)
    assert "a red kettle" in hit.text
    assert hit.metadata["price"] == 12
    assert hit.fused.weights == {"image": 0.25, "text": 0.75}
    assert hit.fused.parts["image"].source == str(photos[0])
    assert hit.fused.parts["text"].decode() == "a red kettle"
    assert hit.media.sha256 == fused.sha256
    assert [other.fused for other in index.search("a lamp", k=3) if other.source != "product-1"] == [None, None]


def test_a_hit_shows_its_parts_in_a_notebook(index, photos):
    index.add([product(photos[0])])
    shown = index.search("kettle", k=1)[0]._repr_html_()
    assert "<img" in shown
    assert "a red kettle" in shown


def test_it_lives_beside_its_parts_and_is_skipped_when_added_again(index, photos):
    fused = product(photos[0])
    index.add([fused])
    index.add([photos[0]])
    assert index.sources().keys() == {"product-1", str(photos[0])}
    report = index.add([fused, photos[0]])
    assert (report.added, report.skipped, report.replaced) == (0, 2, 0)


def test_it_is_deleted_and_filtered_as_any_record(index, photos):
    index.add([product(photos[0]), photos[1]])
    assert [hit.source for hit in index.search("x", filter={"price": 12})] == ["product-1"]
    assert index.delete(sources="product-1") == 1
    assert index.sources().keys() == {str(photos[1])}


def test_it_is_exported_and_imported(index, space, photos, tmp_path):
    fused = product(photos[0])
    index.add([fused, photos[1]])
    index.export(tmp_path / "export.jsonl")
    with sw.Index(Memory(), spaces=[space]) as other:
        other.import_(tmp_path / "export.jsonl")
        before, hit = index.search(fused, k=1)[0], other.search(fused, k=1)[0]
        assert hit.media.sha256 == fused.sha256
        assert (hit.raw_score, hit.text) == (pytest.approx(before.raw_score, abs=1e-6), before.text)


def test_a_part_that_cannot_be_read_is_named_and_the_rest_is_added(index, photos, tmp_path):
    broken = sw.fuse({"image": tmp_path / "gone.png", "text": "x"}, source="product-2")
    with pytest.raises(sw.AddError, match=r"product-2: its part 'image' \(.*gone.png\): no such file") as error:
        index.add([broken, photos[1]])
    assert error.value.report.added == 1


def test_a_space_that_lacks_a_part_takes_no_fused_item(photos):
    with sw.Index(Memory(), spaces=[toy_space(modalities=["image"])]) as index:
        report = index.add([product(photos[0]), photos[1]], on_error="skip")
        assert report.added == 1
        assert "is image and text, which this index does not embed" in report.failed[0].reason
        with pytest.raises(sw.UnsupportedModalityError):
            index.search(product(photos[0]))


@pytest.mark.parametrize("value", ["mine", "[1, 2]", json.dumps([{"name": "x"}]), 5])
def test_a_value_of_the_user_under_the_same_name_stays_the_users(index, photos, value):
    index.add([sw.Image(photos[0], metadata={"fused": value})])
    hit = index.search("x", k=1)[0]
    assert hit.fused is None
    assert hit.metadata["fused"] == value
    assert read_metadata(hit.provenance.own).own["fused"] == value
    assert isinstance(hit.media, sw.Image)


def test_the_frameworks_read_and_show_what_the_index_wrote(photos):
    from senseweave.interop import PromptFile, describe_chunk, prompt_parts

    fused = product(photos[0])
    identifier, text, metadata = describe_chunk(fused, "a red kettle")
    assert identifier == describe_chunk(product(photos[0]), "a red kettle")[0]
    read = read_metadata(metadata).media(text)
    assert read.sha256 == fused.sha256
    assert read.metadata["price"] == 12
    document = SimpleNamespace(provenance=read_metadata(metadata), text=text, name="x", read=lambda: read)
    shown = prompt_parts([document])
    assert [part.modality for part in shown if isinstance(part, PromptFile)] == ["image"]
