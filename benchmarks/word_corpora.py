"""The corpora of `words.py`: texts, recordings and scanned pages with questions by identifier and by meaning.

- The sample corpus (photographs, recordings, videos, texts) with its questions by meaning, and quotations of what is
  said in its recordings.
- The docstrings of Python's standard library: questions are their names, and their first sentences, which the
  documents lack. `--library` takes those of an installed package instead.
- Notes of a workshop with part numbers and error codes that are much like each other.
- Scanned invoices, which OCR reads: questions are their numbers and customers, and what was bought in other words.
- Notes in German, Spanish, Russian and Japanese, asked in other words, or by the part number.
"""

# ruff: noqa: RUF001  (letters of other alphabets are meant)

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
import random
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image, ImageDraw, ImageFont

import senseweave as sw
from senseweave.demo.corpus import corpus_folder, questions

SEED = 11
ASKED = 150
"""Docstrings of which questions are made."""
MODULES = (
    "argparse ast asyncio.events asyncio.tasks base64 bdb bisect calendar cmd codecs collections "
    "concurrent.futures configparser contextlib copy csv datetime decimal difflib dis email.message enum "
    "fileinput fractions ftplib functools getpass gettext glob gzip hashlib heapq hmac html http.client "
    "http.cookiejar imaplib inspect io ipaddress itertools json locale logging logging.handlers lzma mailbox "
    "mimetypes multiprocessing.pool numbers operator os os.path pathlib pdb pickle pkgutil platform plistlib "
    "poplib pprint queue random re sched secrets selectors shelve shlex shutil smtplib socket socketserver "
    "sqlite3 ssl stat statistics string struct subprocess sys tarfile tempfile textwrap threading time timeit "
    "tokenize trace traceback types typing unittest unittest.mock urllib.parse urllib.request uuid warnings wave "
    "weakref webbrowser xml.dom.minidom xml.etree.ElementTree zipfile zlib"
)
NOTES = 300
THINGS = ("pump", "valve", "belt", "fuse", "sensor", "filter", "bearing", "relay", "gasket", "thermostat")
STATES = ("was replaced", "is worn", "leaks", "was ordered", "makes a noise", "was cleaned", "is out of stock")
PLACES = ("in hall 1", "in the boiler room", "at the dock", "on the roof", "in the cellar", "at line 7")
QUOTATIONS = {
    "audio/recording-01.wav": ('"dental practice"', "Market Street"),
    "audio/recording-02.flac": ("cloakroom", '"exhibition of old maps"'),
    "audio/recording-03.mp3": ('"wooden handle"', '"number twelve bus"'),
    "audio/recording-04.ogg": ('"sunshine in the south"', "reach the coast"),
    "audio/recording-05.m4a": ('"industrial park"', "title holder"),
    "audio/recording-06.wav": ('"bathing cap"', "coin for the locker"),
    "audio/recording-07.mp3": ("waggles", '"position of the sun"'),
    "video/video-01.mp4": ("eucalyptus", '"frozen fish"'),
}
NAMES = (
    "Kowalski Nakamura Oyelaran Brandvold Castellanos Dimitriou Eklund Fitzwilliam Grzybowski Haldane Iturriaga "
    "Jankovic Kierkegaard Lindqvist Mbeki Novotny Okonkwo Pellegrini Quiroga Rasmussen Szymanski Thorvald Ulrich "
    "Verbeek"
)
CUSTOMERS = NAMES.split()
GOODS = (
    ("six chairs and a wooden table for the terrace", "Who bought garden furniture?"),
    ("twelve bottles of red wine", "Who ordered something to drink for a party?"),
    ("a bicycle with a child's seat", "Who paid for a vehicle with two wheels?"),
    ("replacement of a broken window", "Who had new glass put in?"),
    ("painting of two rooms and the hall", "Who had the walls of a home decorated?"),
    ("a week in a cottage by the lake", "Who spent a holiday near water?"),
    ("piano lessons from May to July", "Who learned to play an instrument?"),
    ("removal of a fallen tree", "Who had something cleared away after the storm?"),
    ("repair of the heating", "Who was without warm rooms?"),
    ("flowers and wreaths for a wedding", "Who had decorations for a marriage?"),
    ("winter tires and an oil change", "Who had work done on a car?"),
    ("vaccination of two cats", "Who went to the vet?"),
)


@dataclass(frozen=True)
class Question:
    """A question, its kind (`identifiers` or `meaning`), what is asked about, and the places of what answers it."""

    text: str
    answers: frozenset[str]
    kind: str
    about: str = "texts"


@dataclass
class Corpus:
    """What is indexed, and the questions."""

    texts: list[sw.Text] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


@dataclass(frozen=True)
class Language:
    """Words of a workshop in a language: things, places, and states with a question that means the same."""

    note: str
    by_meaning: str
    by_code: str
    things: tuple[str, ...]
    places: tuple[str, ...]
    states: tuple[tuple[str, str], ...]


LANGUAGES = {
    "German": Language(
        "{thing} {code} {place} {state}.",
        "{asked}: {thing} {place}?",
        "Was ist mit {code}?",
        ("Pumpe", "Ventil", "Riemen", "Sicherung", "Fühler", "Filter"),
        ("im Heizungskeller", "auf dem Dach", "am Laufband"),
        (
            ("ist undicht", "Wo tritt Flüssigkeit aus"),
            ("wurde ausgetauscht", "Was ist durch ein neues Teil ersetzt worden"),
            ("macht Geräusche", "Was brummt und quietscht"),
            ("wurde gereinigt", "Was ist wieder sauber"),
            ("fehlt im Lager", "Was muss nachbestellt werden"),
        ),
    ),
    "Spanish": Language(
        "{thing} {code} {place} {state}.",
        "¿{asked}: {thing} {place}?",
        "¿Qué pasa con {code}?",
        ("bomba", "válvula", "correa", "fusible", "sensor", "filtro"),
        ("en el sótano", "en el tejado", "en el taller"),
        (
            ("pierde líquido", "Dónde gotea"),
            ("hace ruido", "Qué suena raro"),
            ("necesita limpieza", "Qué está sucio"),
            ("no funciona", "Qué está averiado"),
            ("se cambió ayer", "Qué pieza es nueva"),
        ),
    ),
    "Russian": Language(
        "{thing} {code} {place} {state}.",
        "{asked}: {thing} {place}?",
        "Что случилось с {code}?",
        ("насос", "клапан", "ремень", "предохранитель", "датчик", "фильтр"),
        ("в котельной", "на крыше", "на складе"),
        (
            ("протекает", "Где капает вода"),
            ("шумит", "Что гудит и скрипит"),
            ("заменён вчера", "Что поставили новое"),
            ("очищен", "Что снова чистое"),
            ("не работает", "Что сломалось"),
        ),
    ),
    "Japanese": Language(
        "{place}の{thing}{code}は{state}。",
        "{place}の{thing}、{asked}?",
        "{code}はどうなっていますか",
        ("ポンプ", "バルブ", "ベルト", "ヒューズ", "センサー", "フィルター"),
        ("ボイラー室", "屋上", "倉庫"),
        (
            ("水漏れしています", "どこから滴が落ちていますか"),
            ("交換しました", "新品にしたのはどれですか"),
            ("異音がします", "変な音がするのはどれですか"),
            ("清掃しました", "きれいになったのはどれですか"),
            ("故障しています", "動かないのはどれですか"),
        ),
    ),
}


def mixed_corpus(folder: Path, documents: int, library: str = "") -> Corpus:
    """Return texts, recordings, photographs and scanned pages, with their questions; pages are drawn in a folder."""
    corpus = Corpus()
    _add_samples(corpus)
    _add_docstrings(corpus, documents, library)
    _add_workshop(corpus)
    _add_pages(corpus, folder)
    return corpus


def notes_in(name: str) -> Corpus:
    """Return the notes in a language, with as many questions by part number as by meaning."""
    corpus = Corpus()
    language = LANGUAGES[name]
    rng = random.Random(SEED)
    combined = list(itertools.product(language.things, language.places, language.states))
    for number, (thing, place, (state, asked)) in enumerate(combined):
        code = f"{rng.choice('KQXZ')}{100 + 7 * number}-{rng.choice('ABCD')}"
        source = f"{name} {number}"
        words = {"thing": thing, "place": place, "state": state, "code": code, "asked": asked}
        corpus.texts.append(sw.Text(_sentence(language.note.format(**words)), source=source))
        if number % 3 == 0:
            answers = frozenset([source])
            by_code = (code, language.by_code.format(**words))[number % 2]
            corpus.questions.append(Question(by_code, answers, "identifiers", name))
            corpus.questions.append(Question(language.by_meaning.format(**words), answers, "meaning", name))
    return corpus


def place(source: str, page: int | None = None) -> str:
    """Return how an answer is named: its source, and the page of a document."""
    return source if page is None else f"{source}, page {page}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _add_samples(corpus: Corpus) -> None:
    folder = corpus_folder()
    corpus.files += [path for path in sorted(folder.iterdir()) if path.is_dir()]
    about = {"text": "texts", "image": "photographs", "audio": "recordings", "video": "recordings"}
    for each in questions(folder):
        answers = frozenset(str(folder / answer) for answer in each.answers)
        corpus.questions.append(Question(each.question, answers, "meaning", about[each.modality]))
    for name, quoted in QUOTATIONS.items():
        answers = frozenset([str(folder / name)])
        corpus.questions += [Question(text, answers, "identifiers", "recordings") for text in quoted]


def _add_docstrings(corpus: Corpus, documents: int, library: str) -> None:
    for number, (qualified, first, rest) in enumerate(docstrings(documents, library)):
        source = f"{library or 'python'} {number}"
        corpus.texts.append(sw.Text(f"{qualified}: {rest}", source=source))
        if number < ASKED:
            answers = frozenset([source])
            asked = (f"How is {qualified} used?", qualified)[number % 2]
            corpus.questions.append(Question(first, answers, "meaning"))
            corpus.questions.append(Question(asked, answers, "identifiers"))


def _add_workshop(corpus: Corpus) -> None:
    rng = random.Random(SEED)
    for number in range(NOTES):
        what, state, where = rng.choice(THINGS), rng.choice(STATES), rng.choice(PLACES)
        if number % 2:
            digits, letter = 4000 + number, "ABCD"[number % 4]
            code, spellings = f"{digits}-{letter}", [f"{digits}-{letter}", f"{digits}{letter}", f"{digits} {letter}"]
        else:
            word = ("CONN", "DISK", "AUTH")[number % 3]
            code, spellings = f"E_{word}-{number:03}", [f"E_{word}-{number:03}", f"e_{word.lower()}_{number:03}"]
        text = f"The {what} {code} {where} {state}. Looked at by the morning shift."
        corpus.texts.append(sw.Text(text, source=f"note {number}"))
        if number < 60:
            spelling = spellings[number % len(spellings)]
            asked = (spelling, f"what happened to {spelling}?")[number // 3 % 2]
            corpus.questions.append(Question(asked, frozenset([f"note {number}"]), "identifiers"))


def _add_pages(corpus: Corpus, folder: Path) -> None:
    """Draw invoices, four to a document of pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    places: dict[str, set[str]] = {}
    for first in range(0, len(CUSTOMERS), 4):
        path = folder / f"invoices-{first // 4 + 1}.pdf"
        pages = []
        for page, customer in enumerate(CUSTOMERS[first : first + 4], start=1):
            number = f"INV-{rng.randint(2019, 2025)}-{rng.randint(1000, 9999)}"
            goods, asked = GOODS[(first + page - 1) % len(GOODS)]
            lines = (f"Invoice {number}", f"Customer: {customer}", f"For {goods}", f"Total: {rng.randint(40, 900)} EUR")
            pages.append(_page(lines))
            here = place(str(path), page)
            places.setdefault(asked, set()).add(here)
            spelled = (number, number.lower().replace("-", " "))[page % 2]
            for text in (spelled, f"the invoice of {customer}"):
                corpus.questions.append(Question(text, frozenset([here]), "identifiers", "pages"))
        if not path.exists():
            pages[0].save(path, save_all=True, append_images=pages[1:], resolution=100)
        corpus.files.append(path)
    for text, found in places.items():
        corpus.questions.append(Question(text, frozenset(found), "meaning", "pages"))


def _page(lines: Sequence[str]) -> Image.Image:
    picture = Image.new("L", (850, 500), 255)
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((60, 60 + 80 * number), line, fill=0, font=ImageFont.load_default(size=30))
    return picture


def docstrings(most: int, library: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the qualified name, the first sentence and the rest of docstrings, of the standard library by default."""
    seen: set[str] = set()
    found = []
    for module in _modules(library):
        for name, member in sorted(_members(module)):
            members = [(f"{module.__name__}.{name}", member)]
            if inspect.isclass(member):
                members += [(f"{module.__name__}.{name}.{inner}", value) for inner, value in sorted(_members(member))]
            for qualified, value in members:
                text = inspect.getdoc(value) if callable(value) and "__" not in qualified else None
                first, _, rest = re.sub(r"\s+", " ", text or "").partition(". ")
                if len(rest) >= 100 and 20 <= len(first) <= 200 and rest not in seen:
                    seen.add(rest)
                    found.append((qualified, first, rest[:900]))
    random.Random(SEED).shuffle(found)
    yield from found[:most]


def _members(owner: Any) -> Iterator[tuple[str, Any]]:
    yield from ((name, value) for name, value in vars(owner).items() if not name.startswith("_"))


def _modules(library: str) -> Iterator[ModuleType]:
    names = MODULES.split()
    if library:
        package = importlib.import_module(library)
        inner = [found.name for found in pkgutil.iter_modules(package.__path__) if not found.name.startswith("_")]
        names = [library, *(f"{library}.{name}" for name in inner if name not in ("tests", "testing", "conftest"))]
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield importlib.import_module(name)
            except ImportError:  # of a part that needs what is not installed
                continue
