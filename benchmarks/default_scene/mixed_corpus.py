"""Texts, pictures, sounds and spoken words of GCompris and KTuberling, and questions whose answers are known.

Names are asked for: "horse" is answered by what GCompris tells of it, its pictures, its neighing, and the recorded
word. Titles of activities are asked for as well, which their descriptions answer. GCompris' own translations give texts
and questions in other languages.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from languages import load_recordings, load_words
from run import PACKAGE, PICTURES, SOUNDS, is_button, name_of, named_files, unpack_resources

import senseweave as sw

TOLD = ("explore_farm_animals", "explore_world_animals", "explore_monuments")
"""Activities that say something of each thing that they show."""
ENTRY = re.compile(r"\{\s*\"image\".*?\}", re.DOTALL)
TRANSLATED = re.compile(r'qsTr\("((?:[^"\\]|\\.)*)"\)')
SECTION = re.compile(r"^  (title|description|goal|manual): (.*?)(?=^  (?://|\w+:))", re.DOTALL | re.MULTILINE)
TAG = re.compile(r"<[^>]+>")


@dataclass
class Corpus:
    """Media to index, and for each question the sources that answer it.

    Attributes:
        media: What is indexed.
        answers: Sources by topic.
        questions: The words of the question about each topic, in each language.
    """

    media: list[sw.Media] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    questions: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, media: sw.Media, topic: str) -> None:
        """Add media that answers the questions of a topic."""
        self.media.append(media)
        self.answers[topic].append(media.source)

    def ask(self, words: str, topic: str, language: str) -> None:
        """Ask for a topic, once in each language."""
        if words:
            self.questions[language].setdefault(topic, words)

    def judged(self, language: str) -> dict[str, dict[str, float]]:
        """Return the grades of sources by question, for those questions that have an answer."""
        asked = self.questions[language].items()
        return {words: dict.fromkeys(self.answers[topic], 1.0) for topic, words in asked if self.answers.get(topic)}


def build(folder: Path, languages: tuple[str, ...] = ("en",)) -> Corpus:
    """Return the corpus with texts, spoken words and questions in some languages; English is one of them."""
    corpus = Corpus()
    for path in named_files(folder, PICTURES, ".webp"):
        if not is_button(path):
            corpus.add(sw.Image(path), name_of(path))
    for path in named_files(folder, SOUNDS, ".ogg"):
        corpus.add(sw.Audio(path), name_of(path))
    words = load_words(folder)
    for language in languages:
        translate = translations(folder, language)
        if (folder / "ktuberling-data/usr/share/ktuberling/sounds" / language).is_dir():
            for word, path in load_recordings(folder, language).items():
                corpus.add(sw.Audio(path), word.replace("_", " "))
        for number, (title, texts) in enumerate([*told_things(folder), *described_activities(folder)]):
            said = [translate.get(text, text if language == "en" else "") for text in texts]
            if all(said):
                source = f"{number:03}-{re.sub('[^a-z]+', '-', title.lower())}.{language}.txt"
                corpus.add(sw.Text(" ".join(said), source=source), title.lower())
            corpus.ask(translate.get(title, title if language == "en" else ""), title.lower(), language)
        for file, word in words[language].items():
            corpus.ask(word, words["en"][file].lower(), language)
    for topic in list(corpus.answers):
        corpus.ask(topic, topic, "en")
    return corpus


def told_things(folder: Path) -> list[tuple[str, list[str]]]:
    """Return the things that GCompris says something of, with what it says."""
    things = []
    for activity in TOLD:
        list(named_files(folder, (activity,), ".webp"))
        for board in sorted((folder / "activities" / activity).rglob("board*.qml")):
            for entry in ENTRY.findall(board.read_text(encoding="utf-8")):
                title, text = (re.search(rf'"{key}": {TRANSLATED.pattern}', entry) for key in ("title", "text"))
                if title and text:
                    things.append((_unescaped(title[1]), [_unescaped(text[1])]))
    return things


def described_activities(folder: Path) -> list[tuple[str, list[str]]]:
    """Return the titles of GCompris' activities with their descriptions: what to do, what it is for, and how."""
    list(named_files(folder, ("lang",), ".webp"))
    target = folder / "descriptions"
    if not target.is_dir():
        for resource in sorted((folder / PACKAGE).rglob("*.rcc")):
            unpack_resources(resource.read_bytes(), target, "ActivityInfo.qml")
    described = []
    for path in sorted(target.rglob("ActivityInfo.qml")):
        sections = dict(SECTION.findall(path.read_text(encoding="utf-8")))
        texts = {name: [_unescaped(text) for text in TRANSLATED.findall(said)] for name, said in sections.items()}
        said = [*texts.get("description", ()), *texts.get("goal", ()), *texts.get("manual", ())[:1]]
        if texts.get("title") and said:
            described.append((texts["title"][0], said))
    return described


def translations(folder: Path, language: str) -> dict[str, str]:
    """Return GCompris' translations by the English words: Qt's compiled messages (`.qm`)."""
    if language == "en":
        return {}
    (path,) = (folder / PACKAGE).rglob(f"gcompris_{language}.qm")
    content = path.read_bytes()
    at, messages = 16, b""
    while at < len(content):
        tag, length = struct.unpack(">BI", content[at : at + 5])
        if tag == 0x69:
            messages = content[at + 5 : at + 5 + length]
        at += 5 + length
    found: dict[str, str] = {}
    source = translation = ""
    at = 0
    while at < len(messages):
        tag = messages[at]
        if tag == 1:
            found.setdefault(source, translation)
            source = translation = ""
            at += 1
        elif tag == 5:
            at += 5
        else:
            (length,) = struct.unpack(">I", messages[at + 1 : at + 5])
            length = 0 if length == 0xFFFFFFFF else length
            value = messages[at + 5 : at + 5 + length]
            translation = value.decode("utf-16-be") if tag == 3 else translation
            source = value.decode("utf-8") if tag == 6 else source
            at += 5 + length
    return {_bare(source): _bare(translation) for source, translation in found.items() if translation}


def _unescaped(text: str) -> str:
    return _bare(text.replace('\\"', '"').replace("\\n", " "))


def _bare(text: str) -> str:
    return TAG.sub("", text).replace("&lt;", "<").replace("&gt;", ">").strip()
