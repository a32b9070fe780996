"""Put an image network into a text space by a few hundred captioned pictures; runs offline.

    python examples/align_images.py
    python examples/align_images.py --pairs pictures/ --out my-space

Without --pairs the pictures are the symbols of DejaVu Sans, a font that comes with matplotlib, and their captions the
names that Unicode gives them. With --pairs they are a folder with captions beside its files, or a table.
"""

import argparse
import tempfile
import unicodedata
from pathlib import Path

import matplotlib
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

import senseweave as sw

FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
BLOCKS = (
    (0x2190, 0x21FF),
    (0x25A0, 0x25FF),
    (0x2600, 0x26FF),
    (0x2701, 0x27BF),
    (0x1F0A1, 0x1F0DF),
    (0x1F600, 0x1F64F),
)
"""Arrows, geometric shapes, symbols, dingbats, playing cards and faces."""
SIZE = 160
QUESTIONS = ("a smiling face", "an arrow to the left", "a queen", "a flower", "a star", "scissors")


def symbols() -> list[tuple[Image.Image, str]]:
    """Draw every symbol of the font, with its name."""
    font = ImageFont.truetype(str(FONT), SIZE)
    pictures = []
    for code in sorted(TTFont(FONT).getBestCmap()):
        if any(first <= code <= last for first, last in BLOCKS):
            picture = Image.new("RGB", (224, 224), "white")
            ImageDraw.Draw(picture).text((112, 112), chr(code), "black", font, anchor="mm")
            pictures.append((picture, unicodedata.name(chr(code)).lower()))
    return pictures


def main() -> None:
    """Align, report on held-out pairs, save, load, and search pictures by words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", help="A folder with captions beside its files, or a table of pictures and captions.")
    parser.add_argument("--out", help="Where to save the space; a temporary folder if left out.")
    options = parser.parse_args()

    pairs = options.pairs or symbols()
    aligned = sw.align("starter:image-features", "starter", pairs)
    print(aligned.report)

    with tempfile.TemporaryDirectory() as folder:
        space = sw.load(aligned.save(options.out or folder))
        if not options.pairs:
            pictures, names = zip(*pairs, strict=True)
            found = space.similarity(space.embed_text(QUESTIONS), space.embed_image(pictures))
            for question, scores in zip(QUESTIONS, found, strict=True):
                best = sorted(range(len(names)), key=lambda at: -scores[at])[:3]
                print(f"{question}: {', '.join(names[at] for at in best)}")
    print(f"Against the best that the models do without it, the aligned space is: {aligned.report.verdict}")


if __name__ == "__main__":
    main()
