"""Inputs become chunks in order, with descriptions, and what cannot be read is raised or left out."""

import pytest

from senseweave.errors import MediaError
from senseweave.progress import Progress
from senseweave.retrieval.records.loading import BATCH, ChunkLoader, failure_summary


@pytest.fixture
def left_out():
    return []


def places(loader, inputs):
    return list(loader.load(inputs, lambda chunk: (chunk.position, chunk.description)))


def test_chunks_are_loaded_in_order_with_the_position_of_their_input(write_picture, tmp_path, left_out):
    note = tmp_path / "note.txt"
    note.write_text("One sentence here. Another sentence there.")
    red = write_picture(tmp_path / "red.png", "red")
    found = list(ChunkLoader(left_out.append).load([note, red], lambda chunk: (chunk.media, chunk.whole)))
    assert [whole.source for _, whole in found] == [str(note), str(red)]
    assert [media.decode() for media, _ in found[:1]] == ["One sentence here. Another sentence there."]
    assert places(ChunkLoader(left_out.append), red) == [(0, None)]
    assert left_out == []


def test_media_of_the_described_modalities_are_described_in_batches(write_picture, tmp_path, left_out):
    paths = [write_picture(tmp_path / f"{i}.png", "red", i) for i in range(BATCH + 1)]
    sizes = []

    def describe(media):
        sizes.append(len(media))
        return [f"a picture of {item.source}" for item in media]

    loader = ChunkLoader(left_out.append, describe=describe, described=("text", "image"))
    note = tmp_path / "note.txt"
    note.write_text("words")
    found = places(loader, [*paths, note])
    assert found == [*((i, f"a picture of {path}") for i, path in enumerate(paths)), (BATCH + 1, None)]
    assert sizes == [BATCH, 1]


def test_an_error_of_a_description_is_that_of_its_input_and_the_rest_of_the_batch_is_kept(
    write_picture, tmp_path, left_out
):
    paths = [write_picture(tmp_path / f"{name}.png", name) for name in ("red", "green", "blue")]

    def describe(media):
        for i, item in enumerate(media):
            if item.source == str(paths[1]):
                raise MediaError(item.source, "is green", position=i, total=len(media))
        return ["a picture"] * len(media)

    options = {"describe": describe, "described": ["image"], "locate": lambda error, i: error.at(i, 4)}
    loader = ChunkLoader(left_out.append, "skip", **options)
    assert places(loader, ["missing.png", *paths]) == [(1, "a picture"), (3, "a picture")]
    assert [(error.source, error.position, error.total) for error in left_out] == [
        ("missing.png", 0, 4),
        (str(paths[1]), 2, 4),
    ]
    with pytest.raises(MediaError, match=r"green\.png \(item 2 of 4\): is green"):
        places(ChunkLoader(left_out.append, **options), paths)


def test_a_truncated_file_is_left_out_where_chunks_are_verified(write_picture, tmp_path, left_out):
    broken = tmp_path / "broken.png"
    broken.write_bytes(write_picture(tmp_path / "red.png", "red").read_bytes()[:60])
    assert places(ChunkLoader(left_out.append, "skip"), [broken]) == [(0, None)]
    assert places(ChunkLoader(left_out.append, "skip", verify=True), [broken]) == []
    assert [error.source for error in left_out] == [str(broken)]


def test_an_error_of_unwrapping_or_of_making_a_document_is_that_of_the_input(write_picture, tmp_path, left_out):
    red = write_picture(tmp_path / "red.png", "red")

    def unwrap(given):
        if given == "unknown":
            raise MediaError(given, "cannot be unwrapped")
        return {"a picture": red}[given]

    def make(chunk):
        raise MediaError(chunk.media.source, "has no place")

    loader = ChunkLoader(left_out.append, "skip", unwrap=unwrap)
    assert list(loader.load(["unknown", "a picture"], make)) == []
    assert [str(error) for error in left_out] == ["unknown: cannot be unwrapped", f"{red}: has no place"]


@pytest.fixture
def folder(tmp_path, write_picture):
    """A folder with a picture, a cut picture and a Thumbs.db."""
    given = tmp_path / "given"
    given.mkdir()
    red = write_picture(given / "red.png", "red").read_bytes()
    (given / "cut.png").write_bytes(red[:60])
    (given / "Thumbs.db").write_bytes(bytes(range(256)) * 4)
    return given


def test_files_met_in_a_folder_are_left_out_and_a_named_file_is_an_error(folder, left_out):
    loader = ChunkLoader(left_out.append, verify=True)
    assert places(loader, folder) == [(0, None)]
    assert [error.source for error in left_out] == [str(folder / "Thumbs.db"), str(folder / "cut.png")]
    for name in ("Thumbs.db", "cut.png", "gone.png"):
        with pytest.raises(MediaError, match=name):
            places(loader, [folder, folder / name])
    with pytest.raises(MediaError, match=r"Thumbs\.db"):
        places(ChunkLoader(left_out.append, "raise"), folder)


def test_an_error_of_a_description_follows_the_same_rule(folder, left_out):
    def describe(media):
        for position, item in enumerate(media):
            if item.source.endswith("red.png"):
                raise MediaError(item.source, "is red", position=position, total=len(media))
        return ["a picture"] * len(media)

    loader = ChunkLoader(left_out.append, describe=describe, described=["image"])
    assert places(loader, folder) == [(0, "a picture")]
    assert [error.reason for error in left_out][1:] == ["is red"]
    with pytest.raises(MediaError, match="is red"):
        places(loader, [folder / "red.png"])


def test_failures_are_summed_up_with_their_number_and_the_first_reasons():
    failed = [MediaError(f"{i}.png", "is broken") for i in range(5)]
    assert failure_summary(failed[:1]) == "1 input was left out: 0.png: is broken"
    assert failure_summary(failed).endswith("2.png: is broken; and 2 more, see `failed`")


def test_an_unknown_way_to_treat_errors_is_refused(left_out):
    with pytest.raises(ValueError, match="on_error must be 'named', 'raise' or 'skip', not 'ignore'"):
        ChunkLoader(left_out.append, "ignore")


def test_progress_of_loading_counts_files_chunks_and_failures(folder, left_out):
    state = Progress()
    (folder / "a.txt").write_text("words " * 400)
    loader = ChunkLoader(left_out.append, verify=True, progress=state)
    assert len(places(loader, [folder])) == 4
    assert (state.done, state.total, state.failed, state.chunks) == (4, 4, 2, 5)
    counts = []
    places(ChunkLoader(left_out.append, progress=lambda *given: counts.append(given)), [folder / "red.png"])
    assert counts == [(1, 1)]
