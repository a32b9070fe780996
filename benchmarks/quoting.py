"""Puts what `python benchmarks` measured into README: `python benchmarks/quoting.py`.

The table between the two marks is made of every file in `benchmarks/results/`, so that no figure is typed by hand and
no whole work is left out; a test fails where they differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- speed: made by benchmarks/quoting.py -->", "<!-- speed: end -->"


STAGES = (": decoding", ": preparing", ": network")
"""Works that are a part of another row's; only `benchmarks/results/` has them."""


def quote(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the whole works of all results as Markdown: how many times as fast, in the order of the results."""
    if not results:
        return "No table has been written yet: `make bench` writes it for the machine that it runs on."
    blocks = []
    for found in results:
        whole = [row for row in found["rows"] if not any(stage in row["work"] for stage in STAGES)]
        threads = sorted({row["threads"] for row in whole})
        cells: dict[tuple[str, str], dict[int, str]] = {}
        gates: dict[tuple[str, str], dict[str, None]] = {}
        for row in whole:
            for peer, (middle, least, most) in row["ratios"].items():
                ratio = f"{middle:.2f} [{least:.2f} to {most:.2f}]"
                work = f"{row['work']}, memory" if row["unit"] == "MB" and "memory" not in row["work"] else row["work"]
                cells.setdefault((work, peer), {})[row["threads"]] = f"**{ratio}**" if middle < 1 else ratio
                gates.setdefault((work, peer), {})[row.get("gate", "")] = None
        lines = [
            f"{found['processor']}, {found['cores']} cores" + (", `--quick`:" if found["quick"] else ":"),
            "",
            "| work | compared with | " + " | ".join(f"threads: {count}" for count in threads) + " | equal |",
            "| --- | --- | " + "--- | " * len(threads) + "--- |",
        ]
        lines += [
            " | ".join(
                ["", *key, *(ratios.get(count, "") for count in threads), "; ".join(filter(None, gates[key])), ""]
            )
            for key, ratios in cells.items()
        ]
        blocks.append("\n".join(line.strip() for line in lines))
    return (
        "\n\n".join(blocks)
        + "\n\nTimes as good, with the range over rounds; below 1 in bold. The last column says what was equal"
        " before anything was timed. Figures and stages: `benchmarks/results/`."
    )


def replace_quote(text: str, results: Sequence[Mapping[str, Any]]) -> str:
    """Return a text with the table between its marks made anew.

    Raises:
        ValueError: If the text does not have both marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the marks {BEGIN!r} and {END!r} in the text")
    return f"{before}{BEGIN}\n{quote(results)}\n{END}{after}"


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Return the results in a folder, by name."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def main() -> None:
    """Write the table into README."""
    readme = ROOT / "README.md"
    readme.write_text(replace_quote(readme.read_text(), read_results(ROOT / "benchmarks" / "results")))


if __name__ == "__main__":
    main()
