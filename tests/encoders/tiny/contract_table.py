"""The tables of docs/encoders.md that say which contracts run for which family; run this file to write them anew.

python tests/encoders/tiny/contract_table.py
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE / "tiny"), str(HERE.parent)]

from tiny_every_type import EVERY_TYPE  # noqa: E402

from senseweave.encoders.registry import family_for, find_family  # noqa: E402
from senseweave.testing import Case, CaseModels, EncoderContract  # noqa: E402

DOCUMENT = HERE.parents[1] / "docs" / "encoders.md"
BEGIN, END = "<!-- contract tables: begin (tests/encoders/tiny/contract_table.py) -->", "<!-- contract tables: end -->"

COLUMNS = {
    "alone": ("test_an_item_has_the_same_vector_alone_and_in_a_batch",),
    "reference": ("test_vectors_equal_the_computation_that_the_authors_document",),
    "again": (
        "test_the_same_content_has_the_same_vector_twice",
        "test_the_same_content_has_the_same_vector_after_the_model_was_freed",
        "test_a_model_that_was_loaded_needs_its_files_no_more",
        "test_a_second_process_computes_the_same_vectors",
        "test_distinct_items_have_distinct_vectors",
    ),
    "forms": (
        "test_every_form_of_the_same_content_has_the_same_vector",
        "test_strings_are_text_whatever_they_look_like",
    ),
    "finite": (
        "test_vectors_are_finite_float32_of_length_one",
        "test_a_weight_that_is_not_finite_gives_an_error_and_no_vector",
        "test_a_text_that_is_empty_or_broken_has_a_vector_or_an_error_of_its_own",
    ),
    "whole": ("test_a_checkpoint_that_lacks_a_weight_is_refused_by_name",),
    "roles": (
        "test_prompts_of_queries_and_documents_are_applied",
        "test_queries_and_documents_of_a_model_with_prompts_differ",
        "test_a_role_changes_nothing_of_other_media",
    ),
    "cut": ("test_what_is_too_long_is_split_into_windows", "test_a_text_that_is_too_long_is_reported"),
    "refuses": ("test_asking_for_a_modality_that_is_lacking_names_those_there_are",),
}
"""Contracts by the column that counts the models which they run for; `half` is counted by number type."""
HALF = "test_half_types_stay_within_their_bound"
DEVICES = "test_batches_on_several_devices_have_the_vectors_of_one"
"""Runs for every case that `device` says `yes` of."""
REAL_WEIGHTS = {
    "starter": "test_minilm.py",
    "speaker": "test_speaker.py",
}
"""Families whose real weights come with packages, and the tests that run them; all others are run on random ones."""


def render(cases: Sequence[Case], models: CaseModels) -> str:
    """Return both tables for the cases of the contract suite."""
    unknown = {name for name in dir(EncoderContract) if name.startswith("test_")}
    unknown -= {HALF, DEVICES, *(name for names in COLUMNS.values() for name in names)}
    if unknown:
        raise LookupError(f"no column for {', '.join(sorted(unknown))}")
    rows: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        rows.setdefault((find_family(models.name(case))[0].scheme, case.modality), []).append(case)
    head = ["family", "modality", "models", *COLUMNS, "bf16", "fp16", "device", "describe", "weights"]
    lines = [_line(head), _line(["---"] * len(head))]
    for (scheme, modality), held in sorted(rows.items()):
        family = family_for(scheme)
        says = sum(models.space(case).encoder(case.modality).observes for case in held)
        facts = ["yes" if "device" in family.options() else "-", str(says or "-")]
        lines.append(
            _line([f"`{scheme}`", modality, str(len(held)), *_counts(held), *facts, _weights(scheme, held[0])])
        )
    types = [_line(["type", *COLUMNS, "bf16", "fp16"]), _line(["---"] * (len(COLUMNS) + 3))]
    for case in EVERY_TYPE:
        held = [cell.replace("1", "yes") for cell in _counts([case])]
        types.append(_line([f"`{case.id.removeprefix('type-')}`", *held]))
    return "\n".join(
        [*lines, "", "The model types of `contextual`, each by one model with random weights:", "", *types]
    )


def _weights(scheme: str, case: Case) -> str:
    """Return which weights a family is run on."""
    if case.served:
        return "of a server"
    if case.relocate is not None:
        return "real"
    return "real, random" if scheme in REAL_WEIGHTS else "random"


def _counts(cases: Sequence[Case]) -> list[str]:
    """Return how many cases each column's contracts run for, `-` for none."""
    counts = [sum(any(_runs(name, case) for name in names) for case in cases) for names in COLUMNS.values()]
    counts += [sum(dtype in case.half_types for case in cases) for dtype in ("bfloat16", "float16")]
    return [str(count) if count else "-" for count in counts]


def _runs(name: str, case: Case) -> bool:
    applies = getattr(getattr(EncoderContract, name), "applies", None)
    return applies is None or bool(applies(case))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def replace(document: str, tables: str) -> str:
    """Return the document with other tables."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        raise LookupError(f"the document has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


if __name__ == "__main__":
    import importlib.util

    spec = importlib.util.spec_from_file_location("test_contracts", HERE / "test_contracts.py")
    assert spec is not None
    assert spec.loader is not None
    contracts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(contracts)
    with tempfile.TemporaryDirectory() as folder:
        tables = render(contracts.TestBuiltInFamilies.cases, CaseModels(Path(folder)))
    DOCUMENT.write_text(replace(DOCUMENT.read_text(encoding="utf-8"), tables), encoding="utf-8")
