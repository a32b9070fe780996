"""Kill a process at random moments of each action, then open the index, compare it, and finish the action."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

from actions import ACTIONS, Action
from figures import Figures
from processes import Child, Tell, run
from records import State, checked, count_faults, held, one_line, open_index

import senseweave as sw

KILLS = sum(action.kills for action in ACTIONS)
SECONDS = 120.0
"""What a child may take for work of a few seconds."""


def kill_at_random_moments(place: Path, seed: int, kills: int = KILLS) -> Figures:
    """Kill each action some times, forty in all unless told otherwise."""
    figures = Figures("random kills")
    chance = random.Random(seed)
    late = 0
    for action in ACTIONS:
        here = place / action.name.replace(" ", "-")
        base, work = here / "base", here / "work"
        work.mkdir(parents=True)
        if figures.take(run(lambda work=work, action=action: prepare(action, work), SECONDS), f"prepare {action.name}"):
            work.rename(base)
            late += _kill(action, base, work, max(1, round(action.kills * kills / KILLS)), chance, figures)
        shutil.rmtree(here)
    figures.notes.append(f"{figures.tries - late} of them before the action had ended")
    return figures


def prepare(action: Action, work: Path) -> bool:
    """Make what an action begins with, in a child."""
    action.prepare(work)
    return True


def _kill(action: Action, base: Path, work: Path, kills: int, chance: random.Random, figures: Figures) -> int:
    """Kill an action at some moments, and return how often it had ended before."""
    shutil.copytree(base, work)
    whole = figures.take(run(lambda: undisturbed(action, work), SECONDS), f"{action.name}, undisturbed")
    shutil.rmtree(work)
    if whole is None:
        return 0
    states = [Counter({tuple(record): number for record, number in state}) for state in whole["states"]]
    late = 0
    for _ in range(kills):
        figures.tries += 1
        shutil.copytree(base, work)
        after = chance.uniform(0, 0.95 * whole["seconds"])
        child = Child(lambda tell: carry_out(action, work, tell))
        if not child.wait_until_ready(SECONDS):
            child.kill()
            figures.count("hangs", f"{action.name}: not ready")
            continue
        outcome = child.kill_after(after)
        if outcome.ending != "killed":
            figures.take(outcome, action.name)
            late += 1
        finished = sum(1 for told in child.told if told == "step")
        where = f"{action.name}, killed in step {finished} after {after:.2f} s"
        outcome = run(lambda done=finished: opened_again(action, work, states, done), SECONDS)
        faults = figures.take(outcome, f"{where}, opened again")
        count_faults(figures, faults or {}, where)
        shutil.rmtree(work)
    return late


def undisturbed(action: Action, work: Path) -> dict[str, Any]:
    """Carry out an action, and return the states between its steps and the seconds that they take."""
    with open_index(work / "index", check=not action.damaged) as index:
        states, seconds = [] if action.damaged else [held(index)], 0.0
        for step in action.steps(work):
            began = time.perf_counter()
            step(index)
            seconds += time.perf_counter() - began
            states.append(held(index))
        assert index.verify().ok
        assert len(index) == action.size(work)
    states = states * 2 if action.damaged else states
    return {"states": [list(state.items()) for state in states], "seconds": seconds}


def carry_out(action: Action, work: Path, tell: Tell) -> None:
    """Carry out an action, and tell of each step that has ended."""
    with open_index(work / "index", check=not action.damaged) as index:
        tell("ready")
        for step in action.steps(work):
            step(index)
            tell("step")


def opened_again(action: Action, work: Path, states: list[State], finished: int) -> dict[str, list[str]]:
    """Check an index after the kill, finish what was killed, and check it again; return what is wrong."""
    faults: dict[str, list[str]] = {"lost": [], "doubled": [], "wrong": []}
    before, after = states[finished], states[min(finished + 1, len(states) - 1)]
    if action.damaged:
        faults["wrong"] += says_how_to_repair(work)
    else:
        if damaged := says_how_to_repair(work):
            faults["wrong"] += damaged
        repair_if_asked(work)
        with open_index(work / "index") as index:
            found = checked(index, before, after)
            if action.old:  # some records as 0.1 wrote them, some converted: each content must be there
                texts = {text for _, _, text in held(index)}
                found["lost"] = [text for *_, text in before if text not in texts and not text.startswith("again")]
                found["doubled"] = []
            merge(faults, found)
    with open_index(work / "index", check=not action.damaged) as index:
        for step in action.steps(work)[finished:]:
            step(index)
    with open_index(work / "index") as index:
        merge(faults, checked(index, states[-1], states[-1]))
    if left := [path.name for path in work.iterdir() if path.name.startswith(".")]:
        faults["wrong"].append(f"left behind: {left}")
    return faults


def says_how_to_repair(work: Path) -> list[str]:
    """Open an index that is damaged or repaired, and return an error that does not say how to repair it."""
    try:
        open_index(work / "index").close()
    except Exception as error:
        return [] if one_line(error) and "senseweave repair" in str(error) else [repr(error)]
    return []


def repair_if_asked(work: Path) -> None:
    """Repair an index whose opening asks for it: Chroma writes its vector files in place, so a kill can cut one."""
    try:
        open_index(work / "index").close()
    except sw.StoreError:
        with open_index(work / "index", check=False) as index:
            index.repair()


def merge(faults: dict[str, list[str]], more: dict[str, list[str]]) -> None:
    """Add faults to others."""
    for kind, found in more.items():
        faults[kind] += found
