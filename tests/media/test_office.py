"""Spreadsheets and presentations: pages with their words, tables with their headers, pictures with their page."""

import datetime
import io
import zipfile

import openpyxl
import pptx
import pytest
import xlwt
from openpyxl.drawing.image import Image as Drawing
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Image, MediaPolicy, Text, collect, split


@pytest.fixture
def workbook(make, tmp_path):
    book = openpyxl.Workbook()
    first = book.active
    first.title = "Hives"
    first.append(["Numbers of 2026"])
    first.append([])
    first.append(["place", "hives", "since", "sold"])
    for number in range(200):
        first.append([f"meadow {number}", number, datetime.datetime(2026, 5, 1), number / 4])
    second = book.create_sheet("Photos")
    second["C5"] = True
    second.add_image(Drawing(io.BytesIO(make.image(make.picture()))))
    book.create_sheet("Empty")
    path = tmp_path / "hives.xlsx"
    book.save(path)
    return path


def test_a_workbook_has_a_page_for_each_sheet(workbook):
    found = list(collect(workbook))
    assert [(media.modality, media.page, media.part_name) for media in found] == [
        ("text", 1, None),
        ("text", 2, None),
        ("text", 3, None),
        ("image", 2, "!/xl/media/image1.png"),
    ]
    assert (
        found[0]
        .decode()
        .startswith("Hives\n\nNumbers of 2026\n\nplace | hives | since | sold\nmeadow 0 | 0 | 2026-05-01 | 0\n")
    )
    assert "meadow 1 | 1 | 2026-05-01 | 0.25\n" in found[0].decode()
    assert found[1].decode() == "Photos\n\nTRUE"
    assert found[3].decode().size == (64, 48)


def test_each_passage_of_a_sheet_keeps_its_name_and_header(workbook):
    found = [chunk.decode() for chunk in split(next(iter(collect(workbook))), characters=400)]
    assert len(found) > 10
    assert all(passage.startswith("Hives\nplace | hives | since | sold\nmeadow") for passage in found[1:])
    assert sum(passage.count("meadow") for passage in found) == 200


def test_a_workbook_of_excel_97_is_read(tmp_path):
    book = xlwt.Workbook()
    sheet = book.add_sheet("Hives")
    dates = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for at, row in enumerate([["place", "hives"], ["meadow", 4], ["wood", 2.5]]):
        for column, value in enumerate(row):
            sheet.write(at, column, value)
    sheet.write(3, 0, datetime.datetime(2026, 5, 1), dates)
    book.save(str(tmp_path / "hives.xls"))
    (text,) = collect(tmp_path / "hives.xls")
    assert (text.page, text.mime_type) == (1, "application/vnd.ms-excel")
    assert text.decode() == "Hives\n\nplace | hives\nmeadow | 4\nwood | 2.5\n2026-05-01"
    data = (tmp_path / "hives.xls").read_bytes()
    (error,) = collect(data[:600] + bytes(len(data) - 600))
    assert isinstance(error, MediaError)


def test_a_sheet_that_claims_cells_far_away_ends(workbook):
    with zipfile.ZipFile(workbook) as package:
        files = {name: package.read(name) for name in package.namelist()}
    rows = "".join(f'<row r="{at}"><c r="XFD{at}"><v>1</v></c></row>' for at in range(1, 3000))
    name = "xl/worksheets/sheet1.xml"
    head, _, rest = files[name].decode().partition("<sheetData>")
    for data in (rows, '<row r="9999999999"><c r="A9999999999"><v>1</v></c></row>'):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
            sheet = f"{head}<sheetData>{data}</sheetData>{rest.partition('</sheetData>')[2]}"
            for member, content in {**files, name: sheet.encode()}.items():
                package.writestr(member, content)
        (error,) = collect(buffer.getvalue())
        assert isinstance(error, PolicyError)
        assert "more cells than are read" in str(error)


def test_a_sheet_that_is_a_chart_and_values_of_all_kinds_are_read():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Übersicht"
    sheet.append(["place", "when", "share", "ok", "at", "long", "error"])
    long = datetime.timedelta(hours=30)
    sheet.append(["日本", datetime.datetime(2026, 1, 2, 3, 4), 0.256, True, datetime.time(8, 30), long, "#N/A"])
    sheet["D9"] = "far"
    book.create_chartsheet("Chart")
    book.create_sheet("Later")["B7"] = datetime.date(2026, 5, 1)
    buffer = io.BytesIO()
    book.save(buffer)
    values, chart, later = (text.decode() for text in collect(buffer.getvalue()))
    assert values == (
        "Übersicht\n\nplace | when | share | ok | at | long | error\n"
        "日本 | 2026-01-02 03:04:00 | 0.256 | TRUE | 08:30:00 | 1 day, 6:00:00 | #N/A\n |  |  | far"
    )
    assert (chart, later) == ("Chart", "Later\n\n2026-05-01")


def test_a_formula_gives_the_value_that_was_kept_with_it(workbook):
    with zipfile.ZipFile(workbook) as package:
        files = {name: package.read(name) for name in package.namelist()}
    name = "xl/worksheets/sheet1.xml"
    head, _, rest = files[name].decode().partition("<sheetData>")
    cells = '<c r="B2" t="str"><f>A1</f><v>meadow</v></c><c><f>1+1</f><v>2</v></c><c t="n"><f>now()</f></c>'
    files[name] = f'{head}<sheetData><row r="2">{cells}</row></sheetData>{rest.partition("</sheetData>")[2]}'.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for member, content in files.items():
            package.writestr(member, content)
    assert "meadow | 2" in next(iter(collect(buffer.getvalue()))).decode()


@pytest.fixture
def presentation(make, tmp_path):
    made = pptx.Presentation()
    first = made.slides.add_slide(made.slide_layouts[1])
    first.shapes.title.text = "Bees"
    first.placeholders[1].text = "They fly.\nThey hum."
    first.notes_slide.notes_text_frame.text = "Smile here."
    second = made.slides.add_slide(made.slide_layouts[6])
    second.shapes.add_picture(io.BytesIO(make.image(make.picture())), Inches(1), Inches(1))
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "in a group"
    table = second.shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
    for at, value in enumerate(["place", "hives", "meadow", "4"]):
        table.cell(at // 2, at % 2).text = value
    chart = CategoryChartData()
    chart.categories = ["spring", "summer"]
    chart.add_series("Honey", (1, 2))
    second.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(3), Inches(3), chart)
    made.slides.add_slide(made.slide_layouts[6])
    path = tmp_path / "bees.pptx"
    made.save(path)
    return path


def test_a_presentation_has_a_page_for_each_slide(presentation):
    found = list(collect(presentation))
    assert [(media.modality, media.page, media.part_name) for media in found if media.modality == "image"] == [
        ("image", 2, "!/ppt/media/image1.png")
    ]
    texts = {media.page: media.decode() for media in found if media.modality == "text" and media.part_name is None}
    assert list(texts) == [1, 2]
    assert texts[1] == "Bees\n\nThey fly.\nThey hum.\n\nSmile here."
    for words in ("in a group", "place | hives\nmeadow | 4", "spring", "summer", "Honey"):
        assert texts[2].count(words) == 1
    assert Image(presentation, part="ppt/media/image1.png").decode().size == (64, 48)
    assert Text.open(presentation, page=2).decode() == texts[2]


def test_the_policy_limits_slides_and_sheets(presentation, workbook):
    for path in (presentation, workbook):
        (error,) = collect(path, policy=MediaPolicy(max_pages=2))
        assert isinstance(error, PolicyError)
        assert "max_pages" in str(error)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_files_that_end_early_are_broken(presentation, workbook, share):
    for path in (presentation, workbook):
        data = path.read_bytes()
        (error,) = collect(data[: int(len(data) * share)])
        assert isinstance(error, MediaError)
        assert "broken" in str(error)


STRICT = {
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main": "http://purl.oclc.org/ooxml/wordprocessingml/main",
    "http://schemas.openxmlformats.org/presentationml/2006/main": "http://purl.oclc.org/ooxml/presentationml/main",
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main": "http://purl.oclc.org/ooxml/spreadsheetml/main",
    "http://schemas.openxmlformats.org/drawingml/2006/main": "http://purl.oclc.org/ooxml/drawingml/main",
    "http://schemas.openxmlformats.org/officeDocument/2006/": "http://purl.oclc.org/ooxml/officeDocument/",
}


def rewritten(data, names, files):
    """A package with other words in its XML and other names of its files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith((".xml", ".rels")):
                for before, after in names.items():
                    content = content.replace(before.encode(), after.encode())
            new.writestr(files.get(name, name), content)
    return buffer.getvalue()


def test_the_strict_form_of_office_files_is_read_alike(presentation, workbook, write_docx):
    for path in (presentation, workbook, write_docx("a.docx", ["# Bees", "They fly."])):
        data = open(path, "rb").read()  # noqa: SIM115
        strict = rewritten(data, STRICT, {})
        assert strict != data
        assert Text.open(strict).decode() == Text.open(data).decode()
        assert [media.part_name for media in collect(strict)] == [media.part_name for media in collect(data)]


def test_a_main_part_of_another_name_is_found(write_docx):
    data = open(write_docx("a.docx", ["They fly."]), "rb").read()  # noqa: SIM115
    renamed = rewritten(
        data,
        {"word/document.xml": "word/document2.xml"},
        {
            "word/document.xml": "word/document2.xml",
            "word/_rels/document.xml.rels": "word/_rels/document2.xml.rels",
        },
    )
    (text,) = collect(renamed)
    assert text.decode() == "They fly."


def test_comments_boxes_and_charts_of_a_workbook_are_read(tmp_path):
    book = openpyxl.Workbook()
    for row in (["month", "honey"], ["May", 2], ["June", 5]):
        book.active.append(row)
    book.active["B2"].comment = openpyxl.comments.Comment("too little", "Ann")
    chart = openpyxl.chart.BarChart()
    chart.title = "Honey by month"
    chart.add_data(openpyxl.chart.Reference(book.active, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    book.active.add_chart(chart)
    book.save(tmp_path / "a.xlsx")
    (text,) = collect(tmp_path / "a.xlsx")
    assert text.decode().startswith("Sheet\n\nmonth | honey\nMay | 2\nJune | 5")
    for words in ("too little", "Honey by month"):
        assert text.decode().count(words) == 1
