"""Damaged files of each kind: an error or a repair, never a crash, and never a loss that nobody is told of."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from figures import Figures
from processes import run
from records import held, notes, one_line, open_index, wrong_vectors

RECORDS: Final = 1200
SECONDS: Final = 180.0


def damaged_files(place: Path, seed: int) -> Figures:
    """Damage each file of an index in each way, open it, verify it, and repair it."""
    figures = Figures("damaged files")
    chance = random.Random(seed)
    base, work = place / "base", place / "work"
    if figures.take(run(lambda: _make(base), SECONDS), "preparation") is None:
        return figures
    names = sorted(path.relative_to(base) for path in base.rglob("*") if path.is_file())
    endings: Counter[str] = Counter()
    for name in [*names, *sorted({name.parent for name in names} - {Path()})]:
        for kind, harm in HARMS.items():
            if (base / name).is_dir() and kind != "removed":
                continue
            shutil.copytree(base, work)
            harm(work / name, random.Random(chance.random()))
            where = f"{name.name} {kind}"
            faults = figures.take(run(lambda: use(work), SECONDS), where)
            if faults is not None:
                endings[faults.pop("ending")] += 1
                for count, found in faults.items():
                    figures.count(count, f"{where}: {found[:2]}", len(found))
            figures.tries += 1
            shutil.rmtree(work)
            for left in place.glob(".work.*"):
                shutil.rmtree(left)
    figures.notes += [f"{number} {ending}" for ending, number in endings.most_common()]
    return figures


def use(work: Path) -> dict[str, object]:
    """Open a damaged index, verify it, repair it where that is said, and return what is wrong and how it ended."""
    lost: list[str] = []
    wrong: list[str] = []
    whole = {text.source: text.decode() for text in notes(RECORDS)}

    def silent(index: object) -> list[str]:
        now = {source: text for _, source, text in held(index)}
        return [source for source, text in whole.items() if now.get(source) != text] + wrong_vectors(index, 0.7)

    try:
        with open_index(work) as index:
            report = index.verify()
            if report.ok:
                lost += silent(index)
                return {"lost": lost, "wrong": wrong, "ending": "harmless"}
    except Exception as error:
        wrong += [] if one_line(error) else [repr(error)]
    try:
        with open_index(work, check=False) as index:
            report = index.repair()
            named = {source for problem in report.lost for source in problem.sources}
            lost += [source for source in silent(index) if source not in named]
            wrong += [str(problem) for problem in index.verify().problems]
            ending = "repaired" if report.ok else "repaired in part, as reported"
            return {"lost": lost, "wrong": wrong, "ending": ending}
    except Exception as error:
        wrong += [] if one_line(error) else [repr(error)]
    return {"lost": lost, "wrong": wrong, "ending": "refused"}


def _make(base: Path) -> bool:
    with open_index(base) as index:
        index.add(notes(RECORDS))
    return True


def _halve(path: Path, chance: random.Random) -> None:
    del chance
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path, chance: random.Random) -> None:
    del chance
    os.truncate(path, 0)


def _zero(path: Path, chance: random.Random) -> None:
    del chance
    path.write_bytes(bytes(path.stat().st_size))


def _flip(path: Path, chance: random.Random, bits: int = 1) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(bits if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def _flip_many(path: Path, chance: random.Random) -> None:
    _flip(path, chance, 300)


def _remove(path: Path, chance: random.Random) -> None:
    del chance
    shutil.rmtree(path) if path.is_dir() else path.unlink()


HARMS: Final[dict[str, Callable[[Path, random.Random], None]]] = {
    "halved": _halve,
    "emptied": _empty,
    "zeroed": _zero,
    "with a bit flipped": _flip,
    "with 300 bits flipped": _flip_many,
    "removed": _remove,
}
