"""Measures what reading the writing in pictures costs, and whether words are invented.

    python benchmarks/default_scene/picture_text.py FOLDER [--ocr auto]

With writing: lettered plates on pictures, printed pages, screens of lines, and a few words on a white page, drawn here,
also as large as scanners and 4K screens make them. Without: photographs and drawings of GCompris, as in run.py. Prints
how many were read, how many gave words, the share of the drawn words that were found, and the processor time of each.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from run import is_button, named_files

import senseweave as sw
from senseweave.media.kinds.picture_text import PictureReading, PictureText

WITHOUT = ("explore_world_animals", "explore_farm_animals", "explore_monuments", "lang")
WORDS = [
    *("invoice", "total", "open", "daily", "bakery", "exit", "please", "wait", "train", "stops", "here", "parking"),
    *("fire", "door", "shut", "coffee", "menu", "one", "two", "three", "street", "museum", "welcome", "honey"),
]
CHANCE = random.Random(0)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ocr", choices=("auto", "on"), default="auto")
    parser.add_argument("--every", type=int, default=3, help="of the pictures without writing, one of so many")
    arguments = parser.parse_args()
    files = [path for path in named_files(arguments.folder, WITHOUT, ".webp") if not is_button(path)]
    pictures = [(path.stem, sw.Image(path).decode()) for path in files[:: arguments.every]]
    kinds = {
        "plate on a picture": [plate(CHANCE.choice(pictures)[1]) for _ in range(24)],
        "printed page": [lines((1240, 1754), 26, 45, "black", "white") for _ in range(2)],
        "A4 at 300 dots per inch, 6 points": [lines((2480, 3508), 25, 60, "black", "white") for _ in range(2)],
        "screen": [lines((1920, 1080), 15, 36, "white", "navy") for _ in range(2)],
        "4K screen, 14 pixels": [lines((3840, 2160), 14, 60, "white", "navy") for _ in range(2)],
        "three words on white": [lines((1280, 800), 16, 1, "black", "white") for _ in range(8)],
        "three words on a 4K page": [lines((3840, 2160), 18, 1, "black", "white") for _ in range(4)],
        "no writing": [(name, picture, []) for name, picture in pictures],
    }
    print("| pictures | number | read | with words | words found | processor seconds each |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind, items in kinds.items():
        reading = PictureReading(arguments.ocr)
        read = PictureText(sw.Image(items[0][1]), reading)  # loads the engine
        read.decode()
        began = time.process_time()
        found = [PictureText(sw.Image(picture), reading) for _, picture, _ in items]
        words = [text.decode() for text in found]
        seconds = (time.process_time() - began) / len(items)
        drawn = [count_words(text, item[2]) for text, item in zip(words, items, strict=True) if item[2]]
        share = f"{sum(drawn) / sum(len(item[2]) for item in items):.2f}" if drawn else ""
        print(
            f"| {kind} | {len(items)} | {sum(text.was_read is True for text in found)} | {sum(map(bool, words))} | "
            f"{share} | {seconds:.3f} |",
            flush=True,
        )
    named = zip(pictures, words, strict=True)
    print("words where there was no writing:", {name: text for (name, _), text in named if text})


def count_words(text: str, drawn: list[str]) -> int:
    """Return how many of the drawn words are in a text, letter by letter, whatever the case."""
    return (Counter(text.lower().split()) & Counter(drawn)).total()


def plate(picture: Image.Image) -> tuple[str, Image.Image, list[str]]:
    """Return a picture 800 pixels wide with a plate of one to three words."""
    picture = picture.resize((800, round(800 * picture.height / picture.width)))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(CHANCE.choice((18, 28, 44)))
    at = CHANCE.randrange(10, 400), CHANCE.randrange(10, max(11, picture.height - 120))
    drawn = CHANCE.sample(WORDS, CHANCE.choice((1, 2, 3)))
    words = " ".join(drawn).upper()
    left, top, right, bottom = draw.textbbox(at, words, font)
    ground, ink = CHANCE.choice((("white", "black"), ("yellow", "black"), ("navy", "white"), ("green", "white")))
    draw.rectangle((left - 8, top - 6, right + 8, bottom + 6), fill=ground)
    draw.text(at, words, fill=ink, font=font)
    return "", picture, drawn


def lines(size: tuple[int, int], height: int, count: int, ink: str, ground: str) -> tuple[str, Image.Image, list[str]]:
    """Return a page of lines of words, and the words."""
    page = Image.new("RGB", size, ground)
    font = ImageFont.load_default(height)
    drawn = []
    for number in range(count):
        words = CHANCE.choices(WORDS, k=12 if count > 1 else 3)
        ImageDraw.Draw(page).text((90, 90 + number * height * 1.4), " ".join(words), fill=ink, font=font)
        drawn += words
    return "", page, drawn


if __name__ == "__main__":
    main()
