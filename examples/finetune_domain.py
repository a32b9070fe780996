"""Teach the embedded default a domain: find functions of Python libraries by what they do.

Pairs come from the documentation inside installed packages: the first sentence of a docstring, and the signature it
describes. Models of general English know the words, not the habits of names such as `masked_fill(mask, value)`. Runs
offline on two cores in a few minutes, and ends with what held-out pairs say.

    pip install "senseweave[starter,training]"
    python examples/finetune_domain.py --out my-model
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import random
import warnings
from collections.abc import Iterator
from pathlib import Path

import senseweave as sw

PACKAGES = ("numpy", "PIL", "torch")


def documented(package: str) -> Iterator[tuple[str, str]]:
    """Yield what each public function and class of a package does, and its name with its parameters."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return
    for path in sorted(Path(spec.origin).parent.rglob("*.py")):
        if "test" in str(path.relative_to(Path(spec.origin).parent)):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                summary = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                if 30 < len(summary) < 200 and node.name.lower() not in summary.lower():
                    named = [argument.arg for argument in node.args.args] if isinstance(node, ast.FunctionDef) else []
                    yield summary, f"{node.name}({', '.join(name for name in named[:5] if name != 'self')})"


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return pairs of which no summary and no name occurs twice."""
    found: dict[str, str] = {}
    names: set[str] = set()
    for package in PACKAGES:
        for summary, signature in documented(package):
            name = signature.partition("(")[0]
            if summary not in found and name not in names:
                found[summary] = signature
                names.add(name)
    listed = list(found.items())
    random.Random(seed).shuffle(listed)
    return listed[:count]


def main() -> None:
    """Fine-tune, print the report, and ask the tuned model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=800, help="how many pairs to use")
    parser.add_argument("--out", type=Path, help="new folder for the tuned model")
    given = parser.parse_args()
    rows = pairs(given.pairs)
    print(f"{len(rows)} pairs, such as {rows[0]}")
    tuned = sw.finetune("starter", rows, epochs=2, learning_rate=1e-4, progress=True)
    print(tuned.report)
    if given.out is not None:
        print(f"saved in {tuned.save(given.out)}; load it with senseweave.load({str(given.out)!r})")


if __name__ == "__main__":
    main()
