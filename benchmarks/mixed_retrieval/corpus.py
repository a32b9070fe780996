"""Builds a mixed corpus of pictures, texts and spoken notes with queries, from freely licensed Debian packages.

Pictures are photographs of `tuxpaint-stamps-default` (GPL-2) with what they show, or emoji with their names; texts and
spoken notes are written from the entries of WordNet 3.0 (`wordnet-base`, WordNet licence) and spoken by `flite` (its
voice slt). Equal seeds give equal corpora. Run it alone to build:
`python benchmarks/mixed_retrieval/corpus.py FOLDER [PICTURES]`.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import emoji

PACKAGES = ("wordnet-base", "flite", "libflite1")
PICTURES = {"photographs": ("tuxpaint-stamps-default",), "emoji": emoji.PACKAGES}
"""What the pictures are, and the packages that hold them."""
PHOTOGRAPHED = (
    "animals",
    "food",
    "household",
    "hobbies",
    "vehicles",
    "sports",
    "clothes",
    "plants",
    "medical",
    "space",
)
DRAWN = re.compile(r"cartoon|toys|plastic|symbols|dinosaur|armor")
CONCRETE = {"05", "06", "13", "20"}
"""WordNet's files of animals, artefacts, foods and plants."""
SEED = 7
DISTRACTORS = 8000


@dataclass
class Document:
    """One document: a photograph or recording in a file, or a text; `topic` is what it is about, or None."""

    id: str
    modality: str
    topic: str | None
    path: str | None = None
    text: str | None = None


@dataclass
class Question:
    """One query and the topic whose documents answer it; `group` says which modalities those have."""

    id: str
    text: str
    topic: str
    group: str


@dataclass(frozen=True)
class Synset:
    """One sense of a noun: its words, what it is a kind of, its kinds, and its gloss."""

    key: str
    file: str
    words: tuple[str, ...]
    hypernyms: tuple[str, ...]
    hyponyms: tuple[str, ...]
    gloss: str

    @property
    def name(self) -> str:
        """Its first word."""
        return self.words[0]


def fetch(folder: Path, pictures: str) -> Path:
    """Download and unpack the packages, and return the folder of their files."""
    unpacked = folder / "packages"
    if not (unpacked / "done").exists():
        unpacked.mkdir(parents=True, exist_ok=True)
        packages = (*PACKAGES, *PICTURES[pictures])
        subprocess.run(["apt-get", "download", *packages], cwd=unpacked, check=True, stderr=subprocess.DEVNULL)
        for package in sorted(unpacked.glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True)
            package.unlink()
        (unpacked / "done").touch()
    return unpacked


def read_wordnet(folder: Path) -> tuple[dict[str, Synset], dict[str, list[str]]]:
    """Nouns by key, and for each word the keys of its senses, the commonest first."""
    synsets = {}
    for line in (folder / "data.noun").read_text().splitlines():
        if line.startswith(" "):
            continue
        fields, _, gloss = line.partition(" | ")
        parts = fields.split()
        count = int(parts[3], 16)
        words = tuple(parts[4 + 2 * i].replace("_", " ") for i in range(count))
        pointers = parts[5 + 2 * count :]
        up = tuple(pointers[i + 1] for i in range(0, len(pointers) - 3, 4) if pointers[i] in ("@", "@i"))
        down = tuple(pointers[i + 1] for i in range(0, len(pointers) - 3, 4) if pointers[i] == "~")
        synsets[parts[0]] = Synset(parts[0], parts[1], words, up, down, gloss.strip())
    senses = {}
    for line in (folder / "index.noun").read_text().splitlines():
        if not line.startswith(" "):
            parts = line.split()
            senses[parts[0].replace("_", " ")] = parts[-int(parts[2]) :]
    return synsets, senses


def article(name: str) -> str:
    """The name with `a` or `an`."""
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def definition(synset: Synset) -> str:
    """The gloss without its examples."""
    return re.split(r'; "', synset.gloss)[0].strip(" ;")


def entry(synset: Synset, synsets: dict[str, Synset], *, defined: bool) -> str:
    """A short text about a synset: by its definition, or by its relations alone."""
    names = ", also called " + " or ".join(synset.words[1:3]) if len(synset.words) > 1 else ""
    head = f"{synset.name.capitalize()}{names}"
    kinds = [synsets[key].name for key in synset.hyponyms[:5] if key in synsets]
    parents = [synsets[key].name for key in synset.hypernyms[:1] if key in synsets]
    relations = f" It belongs to the group: {parents[0]}." if parents else ""
    relations += f" There are several kinds, for example {', '.join(kinds)}." if kinds else ""
    return (
        f"{head}: {definition(synset)}.{relations}"
        if defined
        else f"{head}.{relations} See also the list of related words."
    )


def photographs(stamps: Path) -> dict[str, list[tuple[Path, str]]]:
    """Photographs with their descriptions, by what they show."""
    by_subject: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for path in sorted(stamps.rglob("*.png")):
        relative = path.relative_to(stamps).as_posix()
        described = path.with_suffix(".txt")
        if relative.split("/")[0] not in PHOTOGRAPHED or DRAWN.search(relative) or not described.exists():
            continue
        line = described.read_text(errors="replace").splitlines()[0].strip().rstrip(".!")
        subject = re.sub(r"^(an?|the|some|a pair of) ", "", line.lower())
        if 1 <= len(subject.split()) <= 4 and subject.isascii():
            by_subject[subject].append((path, line[0].lower() + line[1:]))
    return by_subject


def drawings(share: Path, folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Emoji with their names, by what they show; drawn below a folder."""
    by_subject: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for number, (each, name) in enumerate(emoji.emoji_names(share, "en").items()):
        path = folder / "emoji" / f"{number}.png"
        subject = name.lower().removesuffix(" face")
        if 1 <= len(subject.split()) <= 4 and subject.isascii():
            emoji.draw_emoji(share, each, path)
            by_subject[subject].append((path, article(subject)))
    return by_subject


def find_sense(subject: str, synsets: dict[str, Synset], senses: dict[str, list[str]]) -> Synset | None:
    """Return the concrete noun that a subject names: the whole of it, or its last words; None if there is none."""
    words = subject.split()
    for start in range(len(words)):
        name = " ".join(words[start:])
        for candidate in (name, name.removesuffix("s"), name.removesuffix("es")):
            for key in senses.get(candidate, [])[:3]:
                if synsets[key].file in CONCRETE:
                    return synsets[key]
    return None


def build(folder: Path, shown: str = "photographs") -> tuple[list[Document], list[Question], list[str]]:
    """Build the corpus once and return documents, questions and unrelated texts for skewed corpora.

    Args:
        folder: Where it is kept, a folder of its own for each kind of pictures.
        shown: One of `PICTURES`.
    """
    manifest = folder / "corpus.json"
    if manifest.exists():
        stored = json.loads(manifest.read_text())
        return (
            [Document(**document) for document in stored["documents"]],
            [Question(**question) for question in stored["questions"]],
            stored["distractors"],
        )
    share = fetch(folder, shown) / "usr" / "share"
    synsets, senses = read_wordnet(share / "wordnet")
    rng = random.Random(SEED)
    documents: list[Document] = []
    questions: list[Question] = []
    used: set[str] = set()

    def add_words(topic: str, synset: Synset, kinds: tuple[str, ...], defined: bool) -> None:
        if "text" in kinds:
            documents.append(Document(f"text-{topic}", "text", topic, text=entry(synset, synsets, defined=defined)))
        if "audio" in kinds:
            path = folder / "speech" / f"{re.sub(r'[^a-z0-9]+', '-', topic.lower())}.wav"
            speak(f"{synset.name}: {definition(synset)}." if defined else entry(synset, synsets, defined=False), path)
            documents.append(Document(f"audio-{topic}", "audio", topic, path=str(path)))

    shapes: list[tuple[str, ...]] = [()] * 8 + [("text",)] * 5 + [("audio",)] * 3 + [("text", "audio")] * 4
    stamps = share / "tuxpaint" / "stamps"
    by_subject = photographs(stamps) if shown == "photographs" else drawings(share, folder)
    for subject, pictures in sorted(by_subject.items()):
        synset = find_sense(subject, synsets, senses)
        kinds = rng.choice(shapes) if synset is not None and synset.key not in used else ()
        topic = f"photo {subject}"
        for number, (path, _) in enumerate(pictures[:3]):
            documents.append(Document(f"image-{subject}-{number}", "image", topic, path=str(path)))
        if synset is not None and kinds:
            add_words(topic, synset, kinds, defined=rng.random() < 0.5)
        if synset is not None:
            used.add(synset.key)
        group = "image only" if not kinds else "several"
        questions.append(Question(f"q-{topic}", pictures[0][1], topic, group))

    familiar = {
        line.split("%")[0].replace("_", " ")
        for line in (share / "wordnet" / "cntlist.rev").read_text().splitlines()
        if "%1:" in line
    }
    pool = [
        s for s in synsets.values()
        if s.file in CONCRETE and s.key not in used
        and s.name.isalpha() and s.name.islower() and len(definition(s)) > 40
    ]  # fmt: skip
    topics = [s for s in pool if s.name in familiar and senses[s.name][0] == s.key]
    rng.shuffle(topics)
    for number, synset in enumerate(topics[:210]):
        kinds = ("text",) if number < 110 else ("audio",) if number < 180 else ("text", "audio")
        defined = rng.random() < 0.5
        topic = f"word {synset.name}"
        add_words(topic, synset, kinds, defined)
        group = {("text",): "text only", ("audio",): "audio only"}.get(kinds, "several")
        question = f"what is {article(synset.name)}?" if defined else " ".join(definition(synset).split()[:12])
        questions.append(Question(f"q-{topic}", question, topic, group))
        used.add(synset.key)
    rest = [s for s in pool if s.key not in used]
    rng.shuffle(rest)
    distractors = [entry(s, synsets, defined=True) for s in rest[:DISTRACTORS]]
    manifest.write_text(
        json.dumps(
            {
                "documents": [asdict(document) for document in documents],
                "questions": [asdict(question) for question in questions],
                "distractors": distractors,
            }
        )
    )
    return documents, questions, distractors


def speak(words: str, path: Path) -> None:
    """Have flite read `words` into a wave file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["flite", "-voice", "slt", "-t", words, "-o", str(path)], check=True)


if __name__ == "__main__":
    made, asked, others = build(Path(sys.argv[1]), *sys.argv[2:3])
    for modality in ("text", "image", "audio"):
        print(f"{modality}: {sum(document.modality == modality for document in made)} documents")
    for group in ("image only", "text only", "audio only", "several"):
        print(f"{group}: {sum(question.group == group for question in asked)} questions")
    print(f"{len(others)} unrelated texts")
