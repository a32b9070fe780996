"""Pairs are read from tables, folders and iterables; splits keep documents together; near-duplicates are found."""

import csv
import errno
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

import senseweave as sw
from senseweave.errors import MediaError
from senseweave.training.data.pairs import cell_media, read_pairs, read_unpaired
from senseweave.training.data.splits import find_leaks, folds, group_rows, hold_out, media_keys
from senseweave.training.data.tables import read_table
from senseweave.training.destination import check_destination
from senseweave.training.finetuning.rows import make_rows

CAPTIONS = ["a red square", "a green square", "a blue square"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name, color in (("a.png", "red"), ("b.png", "green"), ("c.png", "blue")):
        PillowImage.new("RGB", (8, 8), color).save(tmp_path / name)
    return tmp_path


def shown(data: Any) -> list[tuple[str, str, str, str]]:
    return [
        (pair.source.modality, Path(pair.source.source).name, pair.target.modality, pair.target.decode())
        for pair in data.pairs
    ]


EXPECTED = [
    ("image", name, "text", caption) for name, caption in zip(("a.png", "b.png", "c.png"), CAPTIONS, strict=True)
]


def write(path: Path, names: tuple[str, str] = ("picture", "words")) -> Path:
    rows = [dict(zip(names, row, strict=True)) for row in zip(("a.png", "b.png", "c.png"), CAPTIONS, strict=True)]
    if path.suffix in (".csv", ".tsv"):
        mark = "," if path.suffix == ".csv" else "\t"
        path.write_text("\n".join([mark.join(names), *(mark.join(row.values()) for row in rows)]), encoding="utf-8")
    elif path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_paths_in_a_table_start_from_its_folder(pictures: Path, suffix: str) -> None:
    assert shown(read_pairs(write(pictures / f"pairs{suffix}"))) == EXPECTED


def test_columns_are_chosen_by_name(pictures: Path) -> None:
    table = pictures / "pairs.jsonl"
    rows = [{"id": at, "caption": text, "image": name} for at, (_, name, _, text) in enumerate(EXPECTED)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert shown(read_pairs(table, columns=("image", "caption"))) == EXPECTED
    with pytest.raises(ValueError, match="no column 'picture'; the columns are id, caption, image"):
        read_pairs(table, columns=("picture", "caption"))


def test_captions_beside_files_and_in_the_metadata_of_a_folder_are_pairs(pictures: Path) -> None:
    for name, caption in zip("abc", CAPTIONS, strict=True):
        (pictures / f"{name}.txt").write_text(caption + "\n", encoding="utf-8")
    assert shown(read_pairs(pictures)) == EXPECTED
    write(pictures / "metadata.csv", ("file_name", "text")).write_text("file_name,text\nb.png,other", encoding="utf-8")
    assert shown(read_pairs(pictures)) == [("image", "b.png", "text", "other")]


def test_a_folder_without_captions_is_an_error_that_says_what_was_looked_for(pictures: Path) -> None:
    with pytest.raises(ValueError, match="no file has a caption beside it"):
        read_pairs(pictures)


def test_an_iterable_takes_every_form_of_media(pictures: Path) -> None:
    rows = [
        (pictures / "a.png", CAPTIONS[0]),
        (PillowImage.open(pictures / "b.png"), sw.Text(CAPTIONS[1])),
        ((pictures / "c.png").read_bytes(), CAPTIONS[2]),
    ]
    data = read_pairs(iter(rows))
    assert [(pair.source.modality, pair.target.decode()) for pair in data.pairs] == [
        ("image", caption) for caption in CAPTIONS
    ]


def test_strings_are_texts_unless_they_all_name_files(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)
    assert [pair.source.modality for pair in read_pairs([("a.png", "red"), ("b.png", "green")]).pairs] == ["image"] * 2
    assert [pair.source.modality for pair in read_pairs([("a.png", "red"), ("sea", "green")]).pairs] == ["text"] * 2
    chosen = read_pairs([("a.png", "red"), ("b.png", "green")], modalities=("text", "text"))
    assert [pair.source.decode() for pair in chosen.pairs] == ["a.png", "b.png"]


@pytest.mark.parametrize("broken", [("missing.png", "words"), ("a.png", " "), ("a.png", None)])
def test_a_row_that_cannot_be_read_is_a_named_error_and_the_rest_is_kept(pictures: Path, broken: Any) -> None:
    rows = [{"image": "b.png", "text": "green"}, dict(zip(("image", "text"), broken, strict=True))]
    table = pictures / "pairs.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = read_pairs(table)
    readable = [pair.target.decode() for pair in data.pairs if pair.source.source.endswith("b.png")]
    assert readable == ["green"]
    if broken[0] != "missing.png":  # a file is opened when it is embedded
        assert [(error.position, error.total) for error in data.failed] == [(1, 2)]
        with pytest.raises(MediaError, match=r"\(item 2 of 2\)"):
            read_pairs(table, on_error="raise")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pairs.csv", "a,b\n1,2,3\n", "line 2: has another number of cells than the heading"),
        ("pairs.jsonl", '{"a": 1, "b": 2}\n{"a": \n', "line 2: is not JSON"),
        ("pairs.jsonl", "3\n", "entry 1: is int; expected an object"),
        ("pairs.parquet", "no parquet", "is not Parquet"),
        ("pairs.xml", "<a/>", "expected a table"),
        ("pairs.csv", "only\n1\n", "there is no second column; the columns are only"),
    ],
)
def test_a_damaged_table_is_an_error_with_its_place(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path / name)


def test_a_pair_that_is_none_is_an_error_with_its_number() -> None:
    with pytest.raises(ValueError, match="pair 2 is str; expected"):
        read_pairs([("a", "b"), "cd"])


def test_media_without_a_partner_are_texts_or_files(pictures: Path) -> None:
    assert [media.modality for media in read_unpaired(["a text", pictures / "a.png"], None)] == ["text", "image"]
    assert [media.modality for media in read_unpaired(pictures, None)] == ["image"] * 3
    assert read_unpaired(None, None) == []


def test_a_document_is_known_by_its_content_its_recording_and_its_words(pictures: Path) -> None:
    (pictures / "copy.png").write_bytes((pictures / "a.png").read_bytes())
    windows = [sw.Audio(pictures / "talk.wav", span=(start, start + 5)) for start in (0, 5)]
    (pictures / "talk.wav").write_bytes(b"RIFF")
    media = [sw.Image(pictures / "a.png"), sw.Image(pictures / "copy.png"), sw.Image(pictures / "b.png")]
    texts = [sw.Text("A red square."), sw.Text("a  red square"), sw.Text("a red, round square")]
    assert group_rows([media_keys(entry) for entry in media]).tolist() == [0, 0, 1]
    assert group_rows([media_keys(entry) for entry in texts]).tolist() == [0, 0, 1]
    assert group_rows([media_keys(entry) for entry in windows]).tolist() == [0, 0]


def test_rows_are_grouped_through_others() -> None:
    assert group_rows([["a"], ["b"], ["c", "a"], ["b", "d"], ["d"], ["e"]]).tolist() == [0, 1, 0, 1, 1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_no_document_is_on_two_sides(seed: int) -> None:
    groups = np.random.default_rng(seed).integers(0, 40, 200)
    groups = np.unique(groups, return_inverse=True)[1]
    out = hold_out(groups, 0.2, seed)
    assert not set(groups[out]) & set(groups[~out])
    assert 0.15 < out.mean() < 0.25
    parts = folds(groups, 5, seed)
    assert all(len(set(parts[groups == group])) == 1 for group in set(groups))
    assert np.bincount(parts).min() > 25
    assert (hold_out(groups, 0.2, seed) == out).all()


def test_at_least_one_document_is_held_out() -> None:
    assert hold_out(np.arange(30), 0.001, 0).sum() == 1


def test_near_duplicates_between_the_parts_are_leaks() -> None:
    vectors = np.random.default_rng(0).standard_normal((50, 16)) + 5
    vectors[45] = vectors[3] * 1.01
    held_out = np.arange(50) >= 40
    (leak,) = find_leaks("source", vectors, held_out)
    assert (leak.held_out, leak.training, leak.side) == (45, 3, "source")
    assert leak.similarity > 0.99


ROWS = [{"query": "caf\u00e9 au lait", "answer": "coffee, with milk"}, {"query": "th\u00e9", "answer": "tea"}]


@pytest.mark.parametrize(
    ("mark", "encoding", "end"),
    [
        (",", "utf-8", "\n"),
        (",", "utf-8-sig", "\r\n"),
        (";", "utf-8", "\r\n"),
        ("\t", "utf-16", "\r\n"),
        ("|", "utf-8", "\r"),
    ],
)
def test_a_csv_is_read_as_spreadsheets_write_it(tmp_path: Path, mark: str, encoding: str, end: str) -> None:
    lines = [
        f" query {mark}answer",
        *(f'"{row["query"]}"{mark}"{row["answer"]}"' for row in ROWS),
        mark,
        f" {mark} ",
        "",
    ]
    (tmp_path / "rows.csv").write_bytes(end.join(lines).encode(encoding))
    assert list(read_table(tmp_path / "rows.csv")) == ROWS


def test_a_cell_may_hold_a_book(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    book = "word " * 100_000
    (tmp_path / "rows.csv").write_text(f"query,answer\nbook,{book}\n")
    assert [row["answer"] for row in read_table(tmp_path / "rows.csv")] == [book]
    assert csv.field_size_limit() == before


def test_a_cell_may_hold_sound_that_the_datasets_library_has_decoded() -> None:
    sound = {"path": "clip.wav", "array": np.zeros(800, np.float32), "sampling_rate": 8000}
    media = cell_media(sound, "audio", None, None)
    assert media.modality == "audio"
    assert media.duration == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"query,query\na,b\n", "two columns are called 'query'"),
        (b"query,answer\na,b,c\n", "line 2: has another number of cells than the heading"),
        (b"query,answer\na\n", "line 2: has another number of cells than the heading"),
        ("query,answer\ncaf\u00e9,b\n".encode("latin-1"), "expected CSV in UTF-8"),
    ],
)
def test_a_csv_that_is_none_says_why(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        list(read_table(tmp_path / "rows.csv"))


def test_a_csv_without_a_heading_loses_no_pair(pictures: Path) -> None:
    picture = next(path.name for path in sorted(pictures.iterdir()) if path.suffix == ".png")
    table = pictures / "bare.csv"
    table.write_text(f"{picture},a first caption\n{picture},a second caption\n")
    with pytest.raises(ValueError, match="seems to have no heading; begin the table with the names of its columns"):
        read_pairs(table)


def test_numbers_are_texts_and_what_is_no_number_is_missing() -> None:
    data = read_pairs([("forty", 40), ("half", 0.5), ("missing", float("nan"))])
    assert [pair.target.decode() for pair in data.pairs] == ["40", "0.5"]
    assert [error.reason for error in data.failed] == ["has an empty cell; expected media in both columns"]


def test_a_label_of_zero_is_a_label(tmp_path: Path) -> None:
    rows = [{"query": "a b", "answer": "c d", "label": 0}, {"query": "e f", "answer": "g h", "label": 1}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert [row["label"] for row in make_rows(tmp_path / "rows.jsonl", "contrastive")] == [0.0, 1.0]
    (tmp_path / "rows.jsonl").write_text('{"query": "a b", "answer": NaN, "label": 1}')
    with pytest.raises(ValueError, match=r"row 1 has no other.*the row has query, answer, label, and columns="):
        make_rows(tmp_path / "rows.jsonl", "contrastive")


def refuse(**_: Any) -> str:
    raise PermissionError(errno.EACCES, "Permission denied", "/read-only/.senseweave-x")


def test_a_destination_is_checked_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("new", "new/below", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        check_destination(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]
    (tmp_path / "empty" / "report.json").write_text("{}")
    (tmp_path / "empty" / ".senseweave-cut").write_text("")
    check_destination(tmp_path / "empty", ["report.json"])
    with pytest.raises(FileExistsError, match=r"holds something else \(report.json\); name a new folder"):
        check_destination(tmp_path / "empty")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="a file"):
        check_destination(tmp_path / "file")
    with pytest.raises(NotADirectoryError, match="is a file"):
        check_destination(tmp_path / "file" / "below")
    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(PermissionError, match=r"cannot be made or written to .*new"):
        check_destination(tmp_path / "new")
