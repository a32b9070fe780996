"""Pictures with names in many languages: the emoji of Noto (OFL) and their names in CLDR (Unicode licence)."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, ImageDraw, ImageFont

PACKAGES = ("fonts-noto-color-emoji", "unicode-cldr-core", "unicode-data")
GROUPS = ("Animals & Nature", "Food & Drink", "Travel & Places", "Activities", "Objects")
NO_THINGS = ("moon", "clock", "weather", "geographic", "geometric", "event")
"""Subgroups of what has no shape of its own: phases of the moon, hours, feasts."""
GROUP, SUBGROUP = "# group: ", "# subgroup: "
LINE = re.compile(r"^([0-9A-F ]+?) +; fully-qualified")
SIDE = 136
"""Pixels; the font's own bitmaps, of 109 points, are 136 wide."""
VARIATION = "\ufe0f"


def emoji_names(share: Path, language: str) -> dict[str, str]:
    """Return the names of the emoji that show things, in a language, by emoji.

    Args:
        share: `usr/share` of the unpacked packages.
        language: As CLDR names it, such as `de`.
    """
    tree = ElementTree.parse(share / "unicode/cldr/common/annotations" / f"{language}.xml")
    names = {node.get("cp"): node.text for node in tree.iter("annotation") if node.get("type") == "tts"}
    chosen = _things((share / "unicode/emoji/emoji-test.txt").read_text(encoding="utf-8"))
    return {each: name for each in chosen if (name := names.get(each.replace(VARIATION, "")))}


def draw_emoji(share: Path, emoji: str, path: Path) -> None:
    """Draw an emoji on white into a file."""
    font = ImageFont.truetype(share / "fonts/truetype/noto/NotoColorEmoji.ttf", 109)
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(picture).text((0, 0), emoji, font=font, embedded_color=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def _things(listed: str) -> list[str]:
    group = subgroup = ""
    things = []
    for line in listed.splitlines():
        if line.startswith(GROUP):
            group = line.removeprefix(GROUP)
        elif line.startswith(SUBGROUP):
            subgroup = line.removeprefix(SUBGROUP)
        elif (found := LINE.match(line)) and group in GROUPS and not any(part in subgroup for part in NO_THINGS):
            things.append("".join(chr(int(code, 16)) for code in found[1].split()))
    return things
