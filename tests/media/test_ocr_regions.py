"""What is plain is left out of what OCR reads, and large pages with small print are read as they are."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from senseweave.media.reading.ocr import LineReader
from senseweave.media.reading.ocr_regions import MARGIN, find_regions, reading_scale


def page(size, *words, height=16, step=24):
    """A white page with lines of words; a number instead of words leaves so many rows plain."""
    paper, at = Image.new("RGB", size, "white"), 60
    for line in words:
        if isinstance(line, int):
            at += line
        else:
            ImageDraw.Draw(paper).text((80, at), line, fill="black", font=ImageFont.load_default(height))
            at += step
    return paper


def regions(picture):
    return find_regions(np.asarray(picture.convert("L")))


def test_a_plain_page_is_read_as_a_whole():
    (region,) = regions(Image.new("L", (300, 200), 255))
    assert (region.rows, region.columns, region.own) == ((0, 200), (0, 300), (0, 200))


def test_plain_borders_are_left_out():
    (region,) = regions(page((2000, 1500), "three words here"))
    assert region.rows[1] - region.rows[0] <= 402
    assert region.columns[1] - region.columns[0] <= 642
    assert region.columns[0] == 0


def test_parts_that_are_far_apart_are_read_by_themselves_and_no_row_twice():
    above, below = regions(page((1200, 1600), "letter head", 900, "page seven"))
    assert above.rows[1] < 1600
    owned = [range(part.rows[0] + part.own[0], part.rows[0] + part.own[1]) for part in (above, below)]
    assert not set(owned[0]) & set(owned[1])
    assert 60 in owned[0]
    assert 60 + 24 + 900 + 8 in owned[1]


def test_a_picture_full_of_strokes_is_one_region():
    noise = np.random.default_rng(0).integers(0, 256, (700, 900), dtype=np.uint8)
    (region,) = find_regions(noise)
    assert (region.rows, region.columns) == ((0, 700), (0, 900))


def test_large_regions_are_strips_that_share_rows_and_own_each_row_once():
    noise = np.random.default_rng(0).integers(0, 256, (3500, 2500), dtype=np.uint8)
    strips = find_regions(noise)
    assert len(strips) == 3
    owned = [row for strip in strips for row in range(strip.rows[0] + strip.own[0], strip.rows[0] + strip.own[1])]
    assert owned == list(range(3500))
    assert all(after.rows[0] <= before.rows[1] - MARGIN for before, after in pairwise(strips))


def test_large_pictures_are_read_smaller_unless_they_hold_small_print():
    words = "the invoice is open " * 6
    assert reading_scale(page((1900, 1000), words)) == 1.0
    assert reading_scale(page((3800, 2000), *[words] * 4, height=14)) == 1.0
    assert reading_scale(page((8000, 2000), *[words] * 4, height=14)) == 0.5
    assert reading_scale(Image.new("RGB", (4000, 3000), "white")) == 0.5


@pytest.mark.integration
@pytest.mark.parametrize("size", [(1280, 800), (3840, 2160)])
def test_a_few_small_words_on_a_large_page_are_read(size):
    pytest.importorskip("rapidocr")
    lines, complete = LineReader().lines(page(size, "welcome coffee museum"))
    assert (lines, complete) == (["welcome coffee museum"], True)


@pytest.mark.integration
def test_small_print_of_a_large_screen_is_read_once_and_in_order():
    pytest.importorskip("rapidocr")
    # Lines stand where strips meet, too.
    words = [f"line {number} of a large screen" for number in range(100, 170)]
    lines, _ = LineReader().lines(page((3840, 2160), *words, height=16, step=29))
    numbers = [line.split()[1] for line in lines if line.startswith("line ")]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 63


def test_reading_stops_between_regions_when_the_time_is_over():
    pytest.importorskip("rapidocr")
    picture = page((1200, 1600), "letter head", 900, "page seven")
    lines, complete = LineReader().lines(picture, seconds=-1.0)
    assert (lines, complete) == ([], False)
