"""The contract of every family of encoders, as tests over tiny models: subclass it and name the cases.

    class TestMyFamily(EncoderContract):
        cases = [Case(id="my-text", modality="text", make=save_tiny_model, items=texts, reference=by_hand, ...)]

A contract that does not apply to a case is not collected for it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.base import Encoded, Prepared
from senseweave.errors import TruncationWarning, UnsupportedModalityError, WeightsError
from senseweave.media import MODALITIES
from senseweave.spaces import Space, forwarding
from senseweave.testing.case import Case
from senseweave.testing.models import CaseModels, embed, unit

Test = TypeVar("Test", bound=Callable[..., None])

SECOND_PROCESS = """
import json, sys, warnings, numpy as np, senseweave as sw
warnings.simplefilter("ignore")
vectors = {}
for id, name, modality, options, items in json.load(open(sys.argv[1])):
    space = sw.load(name, cache_size=0, **options)
    vectors[id] = getattr(space, f"embed_{modality}")(items)
np.savez(sys.argv[2], **vectors)
"""


def applies_to(condition: Callable[[Case], bool]) -> Callable[[Test], Test]:
    """Mark a contract that holds for some cases only."""

    def mark(test: Test) -> Test:
        test.applies = condition  # type: ignore[attr-defined]
        return test

    return mark


def _counting(forward: Callable[..., Encoded], number: int, computed: list[int]) -> Callable[..., Encoded]:
    """Return a function that does what `forward` does, and notes the number of its encoder."""

    def counted(batch: Sequence[Prepared]) -> Encoded:
        computed.append(number)
        return forward(batch)

    return counted


def is_text(case: Case) -> bool:
    """Return whether a case embeds text."""
    return case.modality == "text"


class EncoderContract:
    """Tests of a family's encoders; every test that takes `case` runs for each case that it applies to."""

    cases: ClassVar[Sequence[Case]] = ()
    pytestmark = pytest.mark.filterwarnings("ignore")

    def __init_subclass__(cls) -> None:
        """Leave out the contracts that apply to no case."""
        for name in [name for name in dir(cls) if name.startswith("test_")]:
            applies = getattr(getattr(cls, name), "applies", None)
            if applies is not None and not any(map(applies, cls.cases)):
                setattr(cls, name, None)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give every test the cases that it applies to."""
        if "case" in metafunc.fixturenames:
            applies = getattr(metafunc.function, "applies", None)
            cases = [case for case in self.cases if applies is None or applies(case)]
            metafunc.parametrize("case", cases, ids=[case.id for case in cases], scope="module")

    @pytest.fixture(scope="module")
    def models(self, tmp_path_factory: pytest.TempPathFactory) -> CaseModels:
        """Return the models of all cases."""
        return CaseModels(tmp_path_factory.mktemp("models"))

    @pytest.fixture(scope="module")
    def space(self, case: Case, models: CaseModels) -> Space:
        """Return the space of the case."""
        return models.space(case)

    @pytest.fixture(scope="module")
    def items(self, case: Case, models: CaseModels) -> list[Any]:
        """Return the items of the case."""
        return models.items(case)

    @pytest.fixture(scope="module")
    def vectors(self, case: Case, space: Space, items: list[Any]) -> np.ndarray:
        """Return the vectors of the items, computed in a single call."""
        return embed(space, case, items)

    def test_an_item_has_the_same_vector_alone_and_in_a_batch(
        self, case: Case, space: Space, items: list[Any], vectors: np.ndarray
    ) -> None:
        """Check that batching and order change no vector."""
        alone = np.concatenate([embed(space, case, [item]) for item in items])
        np.testing.assert_allclose(alone, vectors, atol=case.tolerance)
        shuffled = embed(space, case, items[::-1])[::-1]
        np.testing.assert_allclose(shuffled, vectors, atol=case.tolerance)

    @applies_to(lambda case: not case.served)
    def test_batches_on_several_devices_have_the_vectors_of_one(
        self, case: Case, models: CaseModels, items: list[Any], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Check that models on several devices share the batches of a call, and that this changes no vector."""
        # An item a batch, so that there is something to share.
        monkeypatch.setattr(forwarding, "batches", lambda pool, budget: [[unit] for unit in pool])
        space = models.space(case, device=["cpu", "cpu"])
        computed: list[int] = []
        for number, encoder in enumerate(space.replicas(case.modality)):
            monkeypatch.setattr(encoder, "forward", _counting(encoder.forward, number, computed))
        np.testing.assert_allclose(embed(space, case, items), vectors, atol=case.tolerance)
        assert set(computed) == set(range(len(space.devices) or 1))
        assert space.fingerprint == models.space(case).fingerprint

    @applies_to(is_text)
    def test_a_text_that_is_empty_or_broken_has_a_vector_or_an_error_of_its_own(
        self, case: Case, space: Space, items: list[Any], vectors: np.ndarray
    ) -> None:
        """Check that an item without a vector is an error of that item, never of the batch."""
        broken = {1: "half a \ud800 character", 2: "", 3: "  \n"}
        batch = space.encode([sw.Text(text) for text in (items[0], *broken.values(), items[1])], on_error="skip")
        assert {0, 4} <= set(batch.kept)
        np.testing.assert_allclose(batch.vectors[[0, -1]], vectors[:2], atol=case.tolerance)
        assert 1 not in batch.kept
        for error in batch.failed:
            assert error.position in broken
            empty = ("it holds no token", "the API does not embed", "the model cannot compute it")
            assert error.reason.startswith("holds half a character" if error.position == 1 else empty)

    def test_distinct_items_have_distinct_vectors(self, vectors: np.ndarray) -> None:
        """Check that different content has different vectors."""
        similar = vectors @ vectors.T
        np.fill_diagonal(similar, 0)
        assert similar.max() < 0.99999

    def test_the_same_content_has_the_same_vector_twice(
        self, case: Case, space: Space, items: list[Any], vectors: np.ndarray
    ) -> None:
        """Check that the computation is deterministic."""
        np.testing.assert_array_equal(embed(space, case, items), vectors)

    def test_the_same_content_has_the_same_vector_after_the_model_was_freed(
        self, case: Case, models: CaseModels, items: list[Any], vectors: np.ndarray
    ) -> None:
        """Check that a model can be freed and loaded again."""
        space = models.space(case, cache_size=1)
        embed(space, case, items[:1])
        space.close()
        np.testing.assert_allclose(embed(space, case, items), vectors, atol=1e-6)

    @applies_to(lambda case: not case.served)
    def test_a_model_that_was_loaded_needs_its_files_no_more(
        self, case: Case, models: CaseModels, items: list[Any], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Check that `load` reads everything that a model is made of."""
        folder = models.copy(case)
        space = models.space_at(case, folder, monkeypatch)
        space.load([case.modality])
        shutil.rmtree(folder)
        np.testing.assert_allclose(embed(space, case, items), vectors, atol=1e-6)

    def test_vectors_equal_the_computation_that_the_authors_document(
        self, case: Case, space: Space, models: CaseModels, items: list[Any], vectors: np.ndarray
    ) -> None:
        """Check that the vectors are those of the model's authors."""
        expected = case.reference(models.folder(case), models.decoded(case, space, items), "document")
        np.testing.assert_allclose(vectors, unit(expected), atol=case.reference_tolerance)

    @applies_to(lambda case: bool(case.half_types))
    def test_half_types_stay_within_their_bound(
        self, case: Case, models: CaseModels, items: list[Any], vectors: np.ndarray
    ) -> None:
        """Check that a number type of 16 bits changes the direction of a vector by little, and not its type."""
        for dtype in sorted(case.half_types):
            half = embed(models.space(case, dtype=dtype), case, items)
            assert half.dtype == np.float32
            assert (half * vectors).sum(axis=1).min() >= 0.999, dtype

    def test_vectors_are_finite_float32_of_length_one(
        self, space: Space, items: list[Any], vectors: np.ndarray
    ) -> None:
        """Check that vectors have the announced shape and are normalized."""
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(items), space.dimension)
        assert np.isfinite(vectors).all()
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    @applies_to(lambda case: case.poison is not None)
    def test_a_weight_that_is_not_finite_gives_an_error_and_no_vector(
        self, case: Case, models: CaseModels, items: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Check that a vector that is not finite is an error."""
        assert case.poison is not None
        folder = models.damaged(case, lambda tensor: np.full_like(tensor, np.nan), case.poison)
        expected, words = (WeightsError, "is pinned") if case.relocate else (sw.EncodingError, "not finite")
        with pytest.raises(expected, match=words):
            embed(models.space_at(case, folder, monkeypatch), case, items[:1])

    @applies_to(lambda case: case.missing is not None)
    def test_a_checkpoint_that_lacks_a_weight_is_refused_by_name(
        self, case: Case, models: CaseModels, items: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Check that a checkpoint without a weight is an error that names it."""
        assert case.missing is not None
        folder = models.damaged(case, None, case.missing)
        with pytest.raises(case.missing_error, match=re.escape(case.missing_as or case.missing)):
            embed(models.space_at(case, folder, monkeypatch), case, items[:1])

    @applies_to(is_text)
    def test_prompts_of_queries_and_documents_are_applied(
        self, case: Case, space: Space, models: CaseModels, items: list[Any]
    ) -> None:
        """Check that both roles of a text equal the authors' computation."""
        for role in ("query", "document"):
            expected = unit(case.reference(models.folder(case), items, role))
            np.testing.assert_allclose(embed(space, case, items, role=role), expected, atol=case.reference_tolerance)

    @applies_to(lambda case: bool(case.prompts))
    def test_queries_and_documents_of_a_model_with_prompts_differ(
        self, case: Case, space: Space, items: list[Any]
    ) -> None:
        """Check that prompts make a difference."""
        queries, documents = (embed(space, case, items, role=role) for role in ("query", "document"))
        assert np.abs(queries - documents).max() > 1e-3

    @applies_to(lambda case: not is_text(case))
    def test_a_role_changes_nothing_of_other_media(
        self, case: Case, space: Space, items: list[Any], vectors: np.ndarray
    ) -> None:
        """Check that only texts have prompts."""
        for role in ("query", "document"):
            np.testing.assert_allclose(embed(space, case, items[:2], role=role), vectors[:2], atol=case.tolerance)

    @applies_to(is_text)
    def test_strings_are_text_whatever_they_look_like(self, case: Case, space: Space, models: CaseModels) -> None:
        """Check that a string that names a file or a URL is never opened."""
        from PIL import Image

        # A short path: where a model reads few tokens, libraries cut a long one at different characters.
        folder = Path(tempfile.mkdtemp(prefix="t"))
        picture = folder / "dog.png"
        Image.new("RGB", (8, 8), "red").save(picture)
        metadata_address = "http://169.254.169.254/dog.png"
        traps = [str(picture), picture.as_uri(), metadata_address, "data:image/png;base64,AAAA", "dog.wav"]
        expected = unit(case.reference(models.folder(case), traps, "document"))
        np.testing.assert_allclose(embed(space, case, traps), expected, atol=case.reference_tolerance)
        shutil.rmtree(folder)

    @applies_to(lambda case: is_text(case) or case.forms is not None)
    def test_every_form_of_the_same_content_has_the_same_vector(
        self, case: Case, space: Space, items: list[Any], vectors: np.ndarray
    ) -> None:
        """Check that a path, its bytes and other forms of an item give the same vector."""
        forms = case.forms(items[0]) if case.forms is not None else [items[0], sw.Text(items[0])]
        for form in forms:
            np.testing.assert_allclose(embed(space, case, [form])[0], vectors[0], atol=case.tolerance)

    @applies_to(lambda case: case.long_item is not None and case.splits_long)
    def test_what_is_too_long_is_split_into_windows(self, case: Case, space: Space, tmp_path: Path) -> None:
        """Check that the vector of a long item is the mean of those of its windows, or a map's of their mean."""
        assert case.long_item is not None
        item = case.long_item(tmp_path)
        encoder = space.encoder(case.modality)
        assert encoder.window_seconds is not None
        windows = space.media(case.modality, item).windows(encoder.window_seconds, at_pauses=encoder.cut_at_pauses)
        assert len(windows) > 1
        decoded = [window.decode(**encoder.decode_options) for window in windows]
        encoded = [encoder.forward([prepared]) for prepared in encoder.prepare(decoded, "document")]
        unmapped = [part.unmapped for part in encoded if part.unmapped is not None]
        if unmapped:
            expected = unit(encoder.map_mean(unit(np.concatenate(unmapped).mean(axis=0, keepdims=True))))
        else:
            expected = unit(embed(space, case, windows).mean(axis=0, keepdims=True))
        np.testing.assert_allclose(embed(space, case, [item]), expected, atol=1e-4)

    @applies_to(lambda case: case.long_item is not None and not case.splits_long)
    def test_a_text_that_is_too_long_is_reported(self, case: Case, space: Space, tmp_path: Path) -> None:
        """Check that truncation is counted, and a warning is issued."""
        assert case.long_item is not None
        with pytest.warns(TruncationWarning, match="longer than"):
            batch = space.encode([sw.Text(case.long_item(tmp_path)), sw.Text("short")])
        assert batch.dropped[0] > 0
        assert batch.dropped[1] == 0
        with warnings.catch_warnings():
            warnings.simplefilter("error", TruncationWarning)
            embed(space, case, ["short"])

    @applies_to(lambda case: not case.complete)
    def test_asking_for_a_modality_that_is_lacking_names_those_there_are(self, case: Case, space: Space) -> None:
        """Check that a modality that a space does not embed is an error that lists those it does."""
        lacking = [modality for modality in MODALITIES if modality not in space.modalities]
        assert lacking
        for modality in lacking:
            with pytest.raises(UnsupportedModalityError, match=case.modality):
                getattr(space, f"embed_{modality}")([b"\x00"] if modality != "text" else ["a dog"])

    def test_a_second_process_computes_the_same_vectors(self, models: CaseModels, tmp_path: Path) -> None:
        """Check that vectors do not depend on the process that computes them."""
        from_here, jobs = {}, []
        for case in self.cases:
            items = models.items(case)
            from_here[case.id] = embed(models.space(case), case, items)
            options = case.options_at(models.folder(case))
            jobs.append([case.id, models.name(case), case.modality, options, [str(item) for item in items]])
        (tmp_path / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
        arguments = [str(tmp_path / "jobs.json"), str(tmp_path / "vectors.npz")]
        command = [sys.executable, "-c", SECOND_PROCESS, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        assert done.returncode == 0, done.stderr
        from_there = np.load(tmp_path / "vectors.npz")
        for case in self.cases:
            np.testing.assert_allclose(from_there[case.id], from_here[case.id], atol=1e-6, err_msg=case.id)
