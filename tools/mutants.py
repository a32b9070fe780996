"""Change code in small ways, one at a time, and print the changes that no test notices.

Usage: python tools/mutants.py [--every N] [FILE ...]

Each change is made in a copy of `src/`, and the tests of the file run on it until the first that fails. What is printed
is either a test that is missing or a change that changes nothing. The exit code is 1 if anything was printed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = {
    "media/policy.py": ["tests/media/test_policy.py"],
    "retrieval/stores/filters.py": ["tests/retrieval/test_filters.py"],
    "retrieval/stores/conditions.py": ["tests/retrieval/test_filters.py", "tests/retrieval/test_filter_limits.py"],
    "retrieval/records/schema.py": ["tests/retrieval/test_schema.py"],
    "retrieval/fusion": [
        "tests/retrieval/test_fusion.py",
        "tests/retrieval/test_composition.py",
        "tests/retrieval/test_calibration.py",
    ],
}
"""The modules under mutation, files or folders, and the tests that must notice."""
SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
SECONDS = 300
"""How long the tests of one change may run; a change that makes them hang is noticed."""


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node can be replaced by."""
    changed = copy.deepcopy(node)
    if isinstance(changed, ast.Compare):
        for place, operator in enumerate(changed.ops):
            if type(operator) in SWAPPED:
                swapped = copy.deepcopy(changed)
                swapped.ops[place] = SWAPPED[type(operator)]()
                yield swapped
    elif isinstance(changed, (ast.BinOp, ast.BoolOp)) and type(changed.op) in SWAPPED:
        changed.op = SWAPPED[type(changed.op)]()
        yield changed
    elif isinstance(changed, ast.Constant) and isinstance(changed.value, (bool, int, float)):
        changed.value = not changed.value if isinstance(changed.value, bool) else changed.value + 1
        yield changed
    elif isinstance(changed, (ast.If, ast.While, ast.IfExp)):
        changed.test = ast.UnaryOp(ast.Not(), changed.test)
        yield changed
    elif isinstance(changed, ast.UnaryOp) and isinstance(changed.op, ast.Not):
        yield changed.operand
    elif isinstance(changed, ast.Return) and ast.unparse(changed) not in ("return", "return None"):
        changed.value = ast.Constant(None)
        yield changed


class Mutator(ast.NodeTransformer):
    """Makes one of the changes that are possible in a tree, by its number."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.said = ""

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace the node if its turn has come, else look into it."""
        if not self.said:
            for new in replacements(node):
                if self.left == 0:
                    self.said = f"{node.lineno}: {_first_line(node)}  ->  {_first_line(new)}"
                    return new
                self.left -= 1
        return self.generic_visit(node)


def _first_line(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).partition("\n")[0]


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield a description with its line, and the changed source, of every change."""
    number = 0
    while True:
        mutator = Mutator(number)
        tree = mutator.visit(ast.parse(source))
        if not mutator.said:
            return
        yield mutator.said, ast.unparse(ast.fix_missing_locations(tree))
        number += 1


def passes(source: Path, tests: list[str]) -> bool:
    """Return whether all tests pass with the package in a folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not integration", *tests]
    path = os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def modules(names: list[str]) -> Iterator[tuple[Path, list[str]]]:
    """Yield each file under mutation, relative to the package, with its tests."""
    package = ROOT / "src" / "senseweave"
    for name, tests in TESTS.items():
        place = package / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            relative = path.relative_to(package)
            if not names or any(str(relative).startswith(wanted) for wanted in names):
                yield relative, tests


def main() -> None:
    """Mutate the files that the command line names, or all of `TESTS`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="FILE", help="such as media/policy.py; all of the table if none")
    parser.add_argument("--every", type=int, default=1, help="try only every Nth change")
    options = parser.parse_args()
    survivors = total = 0
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(shutil.copytree(ROOT / "src", Path(folder) / "src"))
        for relative, tests in modules(options.names):
            path = copied / "senseweave" / relative
            original = path.read_text(encoding="utf-8")
            if not passes(copied, tests):
                sys.exit(f"the tests of {relative} fail without any change: {' '.join(tests)}")
            for said, changed in list(mutants(original))[:: options.every]:
                path.write_text(changed, encoding="utf-8")
                total += 1
                if passes(copied, tests):
                    survivors += 1
                    print(f"{relative}:{said}", flush=True)
            path.write_text(original, encoding="utf-8")
    print(f"{total - survivors} of {total} changes are noticed")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
