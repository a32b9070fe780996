"""A link in an index folder of somebody else would choose which of the user's files are written to."""

import shutil
from pathlib import Path

import pytest

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval.integrity.repair import repair_folder
from senseweave.retrieval.integrity.vector_files import IDS
from senseweave.retrieval.integrity.verify import verify_folder

LETTER = "Dear Ann,\n" * 20


@pytest.fixture
def letter(tmp_path):
    """A file of the user's, to which the links of these tests lead."""
    path = tmp_path / "letter.txt"
    path.write_text(LETTER)
    return path


def link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize(
    "name",
    [
        "senseweave.lock",
        "senseweave.writer.lock",
        "senseweave.repair.lock",
        "senseweave.judged.json",
        "senseweave.words.sqlite3",
        "senseweave.words.sqlite3-journal",
        "chroma.sqlite3",
        "chroma.sqlite3-wal",
    ],
)
@pytest.mark.parametrize("dangling", [False, True])
def test_no_file_that_a_link_leads_to_is_written(folder, space, letter, name, dangling):
    if dangling:
        letter.unlink()
    link(folder / name, letter)
    for use in (
        lambda: sw.Index.open(folder, spaces=[space]),
        lambda: sw.Index(folder),
        lambda: sw.Index.open(folder, spaces=[space], check=False),
        lambda: verify_folder(folder),
        lambda: repair_folder(folder, lambda _: space),
    ):
        with pytest.raises(StoreError, match=f"{name} is a link") as caught:
            use()
        assert "\n" not in str(caught.value)
    assert (letter.read_text() if letter.exists() else None) == (None if dangling else LETTER)


def test_vector_files_are_not_links(folder, space, letter):
    segment = next(folder.glob(f"*/{IDS}")).parent
    link(segment / "header.bin", letter)
    with pytest.raises(StoreError, match=f"{segment.name}/header.bin is a link"):
        sw.Index.open(folder, spaces=[space])
    assert letter.read_text() == LETTER


def test_a_folder_of_vector_files_is_no_link(folder, space, tmp_path):
    segment = next(folder.glob(f"*/{IDS}")).parent
    segment.rename(tmp_path / "elsewhere")
    link(segment, tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=f"{segment.name} is a link"):
        sw.Index.open(folder, spaces=[space])


def test_a_link_to_an_index_and_links_of_other_programs_beside_its_files_are_no_matter(folder, space, letter, tmp_path):
    link(folder / "notes.txt", letter)
    link(tmp_path / "the index", folder)
    with sw.Index.open(tmp_path / "the index", spaces=[space]) as index:
        assert index.search("record", words=True)
    assert verify_folder(tmp_path / "the index").ok
    shutil.rmtree(folder)
    assert letter.read_text() == LETTER
