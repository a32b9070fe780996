"""What passages of plain text keep of the text above them: headings of Markdown, headers of tables."""

import pytest

from senseweave.media import Text, collect, split
from senseweave.media.documents.outlines import headings, is_table

PROSE = "The bees fly over the meadow. " * 30


def passages(path, characters=300, **options):
    (text,) = collect(path)
    return [chunk.decode() for chunk in split(text, characters=characters, **options)]


@pytest.mark.parametrize("name", ["notes.md", "notes.txt", "notes"])
def test_passages_keep_the_path_of_headings(saved, name):
    text = f"# Garden\n\n## Bees\n\n{PROSE}\n\n## Birds\n\n{PROSE}"
    found = passages(saved(name, text.encode()))
    assert found[0].startswith("# Garden\n\n## Bees\n\nThe bees")
    assert found[1].startswith("Garden > Bees\nThe bees")
    assert found[-1].startswith("Garden > Birds\nThe bees")
    assert all(len(passage) <= 300 for passage in found)


def test_a_short_file_is_one_passage_as_it_stands(saved):
    text = "# Garden\n\nFlowers.\n\n## Bees\n\nThey fly.\n"
    assert passages(saved("a.md", text.encode())) == [text]


def test_underlined_headings_code_and_front_matter_are_understood():
    text = "---\ntitle: x\n---\nGarden\n======\n\n```\n# a comment\n```\n\nBees\n----\n\n### Deep #\n"
    assert [(context.before, context.within) for context in headings(text)] == [
        ("", "Garden"),
        ("Garden", "Garden > Bees"),
        ("Garden > Bees", "Garden > Bees > Deep"),
    ]


@pytest.mark.parametrize("name", ["run.py", "run.sh", "Makefile.txt"])
def test_comments_of_programs_are_no_headings(saved, name):
    code = "# set up\nx = 1\n# run it\ny = 2\n" * 60
    assert all(passage.startswith(("# set", "x =", "# run", "y =")) for passage in passages(saved(name, code.encode())))


@pytest.mark.parametrize(
    ("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a", "\t"), ("a", ","), ("a.txt", "|")]
)
def test_rows_keep_the_header_of_their_table(saved, name, delimiter):
    rows = [f"Ann {number}{delimiter}Oslo{delimiter}{number}" for number in range(100)]
    header = delimiter.join(["name", "city", "hives"])
    found = passages(saved(name, "\n".join([header, *rows]).encode()))
    assert len(found) > 5
    assert all(passage.startswith(f"{header}\n") for passage in found)
    assert [line for passage in found for line in passage.splitlines()[1:]] == rows


def test_rows_in_an_old_encoding_keep_their_header(saved):
    rows = "".join(f"{number};Jürgen Groß;Köln\n" for number in range(100))
    found = passages(saved("a.csv", f"id;name;city\n{rows}".encode("latin-1")))
    assert all(passage.startswith("id;name;city\n") for passage in found)


@pytest.mark.parametrize("text", [PROSE, "Dear Ann, Bob, and all,\nit is late, and cold,\nso come, come home,\n" * 9])
def test_prose_with_commas_is_no_table(text):
    assert not is_table(text)


def test_a_long_header_is_cut_and_leaves_room_for_rows(saved):
    header = ",".join(f"column {number}" for number in range(100))
    row = ",".join("1" * 100)
    found = passages(saved("a.csv", "\n".join([header, *[row] * 20]).encode()))
    assert all(len(passage) <= 300 for passage in found)
    assert sum(passage.count("1,1") for passage in found) > 0


def test_offsets_of_passages_with_context_lead_to_the_text(saved):
    path = saved("a.csv", ("name,city\n" + "Ann,Oslo\n" * 200).encode())
    whole = Text.open(path).decode()
    for chunk in split(Text.open(path), characters=200):
        start, end = chunk.metadata["character_start"], chunk.metadata["character_end"]
        assert chunk.decode().endswith(whole[start:end])


def test_passages_of_a_web_page_keep_headings_and_headers_of_tables(saved):
    rows = "".join(f"<tr><td>meadow {number}</td><td>{number}</td></tr>" for number in range(60))
    page = f"""<html><head><title>Garden</title></head><body><h1>Garden</h1><h2>The <b>bees</b></h2><p>{PROSE}</p>
    <h2>Numbers</h2><table><tr><th>place</th><th>hives</th></tr>{rows}</table><p>{PROSE}</p></body></html>"""
    found = passages(saved("a.html", page.encode()))
    prose = [passage for passage in found if "The bees fly" in passage]
    assert prose[1].startswith("Garden > The bees\nThe bees fly")
    assert prose[-1].startswith("Garden > Numbers\nThe bees fly")
    tables = [passage for passage in found if "meadow" in passage and "meadow." not in passage]
    assert len(tables) > 2
    assert all("place hives\nmeadow" in passage for passage in tables)
    assert tables[1].startswith("Garden > Numbers\nplace hives\nmeadow")
    assert sum(passage.count("meadow ") for passage in tables) == 60


def test_passages_of_a_markdown_table_keep_its_header(saved):
    rows = "".join(f"| meadow {number} | {number} |\n" for number in range(40))
    text = f"# Garden\n\n## Numbers\n\n| place | hives |\n|:---|---:|\n{rows}\nAll in all.\n\n## Later\n\n{PROSE}\n"
    found = passages(saved("a.md", text.encode()))
    tables = [passage for passage in found if "| meadow" in passage]
    assert len(tables) > 2
    assert all(passage.startswith("Garden > Numbers\n| place | hives |\n| meadow") for passage in tables[1:])
    assert not any("| place" in passage for passage in found if "The bees fly" in passage)
    assert text[text.index("## Later") :].startswith("## Later")
