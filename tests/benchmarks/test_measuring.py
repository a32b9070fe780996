"""What every benchmark shares."""

import argparse
import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
specification = importlib.util.spec_from_file_location("measuring", BENCHMARKS / "measuring.py")
measuring = importlib.util.module_from_spec(specification)
sys.modules["measuring"] = measuring
specification.loader.exec_module(measuring)


@pytest.fixture
def options():
    return argparse.Namespace(rounds=5, quick=False, threads=1, json=True)


@pytest.fixture
def foreign(monkeypatch):
    """Loads of other processes, one a round; none when the list is used up."""
    loads = []
    monkeypatch.setattr(measuring.ForeignLoad, "cores", lambda self: loads.pop(0) if loads else 0.0)
    return loads


def figures(*values):
    left = list(values)
    return lambda: left.pop(0)


def test_the_ratio_is_the_median_of_ratios_within_rounds(options, foreign):
    sides = {"senseweave": figures(1, 2, 4, 1, 1), "peer": figures(2, 4, 4, 3, 9)}
    row = measuring.compare("work", sides, options, unit="ms", returns_figure=True)
    assert row.ratios == {"peer": (2.0, 1.0, 9.0)}
    assert row.figures == {"senseweave": 1.0, "peer": 4.0}


def test_more_in_a_second_is_better(options, foreign):
    sides = {"senseweave": figures(*[30] * 5), "peer": figures(*[10] * 5)}
    row = measuring.compare("work", sides, options, unit="texts/s", returns_figure=True)
    assert row.ratios["peer"][0] == 3.0


def test_disturbed_rounds_are_repeated(options, foreign):
    foreign += [0.9, 0.0, 0.5]
    sides = {"senseweave": figures(*range(1, 8)), "peer": figures(*range(1, 8))}
    row = measuring.compare("work", sides, options, unit="ms", returns_figure=True)
    assert row.figures["senseweave"] == 5.0  # of 2, 4, 5, 6, 7
    assert (row.rounds, row.disturbed) == (5, 0)


def test_rounds_that_stay_disturbed_are_told(options, foreign):
    foreign += [0.3] * 10
    sides = {"senseweave": figures(*[1] * 10), "peer": figures(*[1] * 10)}
    row = measuring.compare("work", sides, options, unit="ms", returns_figure=True)
    assert (row.rounds, row.disturbed, row.foreign_cores) == (5, 5, 0.3)


def test_a_row_without_senseweave_is_refused(options):
    with pytest.raises(ValueError, match="one of them must be called 'senseweave'"):
        measuring.compare("work", {"peer": lambda: 1}, options, unit="ms")


def test_a_row_is_read_as_it_was_printed(options, foreign, capsys):
    sides = {"senseweave": figures(*[1] * 5), "peer": figures(*[2] * 5)}
    row = measuring.compare("work", sides, options, unit="ms", returns_figure=True, gate="equal", notes=["a note"])
    measuring.report(row, options)
    assert measuring.read_row(capsys.readouterr().out) == row
    assert measuring.read_row("anything else") is None


def test_a_time_is_of_an_item():
    assert measuring.convert(2.0, "ms", 4) == 500.0
    assert measuring.convert(2.0, "texts/s", 4) == 2.0


def test_own_work_is_not_foreign():
    load = measuring.ForeignLoad()
    own = measuring.own_ticks()
    while measuring.own_ticks() < own + 20:
        sum(range(10_000))
    assert measuring.own_ticks() - own <= measuring.busy_ticks() - load._all + 2 * measuring.COUNTING_ERROR
