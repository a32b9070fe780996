"""Word documents: all words in the order of reading, with headings and table headers kept as context."""

import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import MediaPolicy, Text, collect, split

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def chunks(path, characters=300):
    (text,) = [media for media in collect(path) if media.modality == "text"]
    return list(split(text, characters=characters))


def test_headings_paragraphs_and_tables_come_in_order(write_docx):
    path = write_docx("a.docx", ["# Bees", "They fly.", [["place", "hives"], ["meadow", "4"], ["wood", "2"]], "End."])
    assert Text.open(path).decode() == "Bees\n\nThey fly.\n\nplace | hives\nmeadow | 4\nwood | 2\n\nEnd."


def test_each_passage_keeps_the_path_of_its_headings(write_docx):
    path = write_docx("a.docx", ["# Bees", "## Honey", "It is sweet. " * 60, "## Wax", "It burns. " * 60])
    found = chunks(path)
    assert all(len(chunk.decode()) <= 300 for chunk in found)
    assert found[0].decode().startswith("Bees\n\nHoney\n\nIt is sweet.")
    assert found[1].decode().startswith("Bees > Honey\nIt is sweet.")
    assert found[1].metadata["heading"] == "Bees > Honey"
    assert found[-1].decode().startswith("Bees > Wax\nIt burns.")


def test_each_passage_of_a_table_keeps_its_header(write_docx):
    rows = [["place", "hives"], *([f"meadow {number}", str(number)] for number in range(80))]
    found = chunks(write_docx("a.docx", ["# Apiaries", rows]))
    assert len(found) > 3
    for chunk in found[1:]:
        assert chunk.decode().startswith("Apiaries\nplace | hives\nmeadow")
    lines = [line for chunk in found for line in chunk.decode().splitlines() if line.startswith("meadow")]
    assert lines == [f"meadow {number} | {number}" for number in range(80)]


def test_offsets_lead_back_to_the_text(write_docx):
    path = write_docx("a.docx", ["# Bees", "It is sweet. " * 60, [["a", "b"], *([["c", "d"]] * 90)], "It burns. " * 60])
    whole = Text.open(path).decode()
    covered = ""
    for chunk in chunks(path):
        start, end = chunk.metadata["character_start"], chunk.metadata["character_end"]
        assert chunk.decode().endswith(whole[start:end])
        covered += whole[start:end]
    assert covered.split() == whole.split()


def test_words_outside_the_body_are_read_once(write_docx):
    path = write_docx("a.docx", ["The body."], header="Secret", footer="Page", comment="Really?")
    text = Text.open(path).decode()
    for words in ("The body.", "Secret", "Page", "Really?"):
        assert text.count(words) == 1


def test_text_boxes_insertions_and_controls_are_read_and_deletions_are_not(write_docx):
    path = write_docx(
        "a.docx",
        [],
        body=f"""<w:p xmlns:w="{W}"><w:r><w:t>Dear </w:t></w:r><w:ins><w:r><w:t>Ann</w:t></w:r></w:ins>
        <w:del><w:r><w:delText>Bob</w:delText></w:r></w:del><w:hyperlink><w:r><w:t>, see</w:t></w:r></w:hyperlink></w:p>
        <w:sdt xmlns:w="{W}"><w:sdtContent><w:p><w:r><w:t>a form field</w:t></w:r></w:p></w:sdtContent></w:sdt>
        <w:p xmlns:w="{W}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><w:r>
        <mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent>
        </mc:Choice>
        <mc:Fallback><w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent></mc:Fallback>
        </mc:AlternateContent></w:r></w:p>""",
    )
    assert Text.open(path).decode().split("\n\n") == ["Dear Ann, see", "a form field", "in a box"]


def test_a_document_without_its_body_is_broken(make, saved, write_docx, tmp_path):
    data = (tmp_path / "a.docx").read_bytes() if write_docx("a.docx", ["words"]) else b""
    with pytest.raises(MediaError, match=r"broken Word document \(DOCX\)"):
        Text.open(saved("b.docx", data.replace(b"<w:body", b"<x:body").replace(b"PK\x01\x02", b"PK\x01\x03"))).decode()


def test_a_document_has_no_pages(write_docx):
    with pytest.raises(MediaError, match="has no pages"):
        Text.open(write_docx("a.docx", ["words"]), page=2).decode()


def test_the_policy_limits_its_text(write_docx):
    path = write_docx("a.docx", ["words " * 2000])
    with pytest.raises(PolicyError, match="max_text_bytes"):
        Text.open(path, policy=MediaPolicy(max_text_bytes=5000)).decode()


def test_xml_entities_are_refused(write_docx):
    path = write_docx("a.docx", [], document='<!DOCTYPE d [<!ENTITY a "ha">]><d>&a;</d>')
    with pytest.raises(PolicyError, match="declares XML entities"):
        Text.open(path).decode()


def test_text_that_a_document_holds_as_a_file_of_another_kind_is_read(write_docx):
    chunk = {"word/afchunk.htm": b"<html><body><p>imported words</p></body></html>"}
    found = list(collect(write_docx("a.docx", ["own words"], files=chunk)))
    assert [media.decode() for media in found] == ["own words", "imported words"]


def test_cells_after_one_of_several_columns_stand_under_their_header(write_docx):
    cell = "<w:tc>{}<w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    wide = cell.format('<w:tcPr><w:gridSpan w:val="2"/></w:tcPr>', "wide")
    rows = [[cell.format("", word) for word in ("a", "b", "c")], [wide, cell.format("", "under c")]]
    table = "".join(f"<w:tr>{''.join(row)}</w:tr>" for row in rows)
    (text,) = collect(write_docx("a.docx", [], body=f"<w:tbl>{table}</w:tbl>"))
    assert text.decode() == "a | b | c\nwide |  | under c"
