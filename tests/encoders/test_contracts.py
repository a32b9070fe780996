"""The contracts that every encoder keeps, driven over a tiny model of every family."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.registry import BUILT_IN, family_for, find_family
from senseweave.errors import TruncationWarning, UnsupportedModalityError, WeightsError

MODALITIES = ("text", "image", "audio", "video")

ROUNDED = frozenset({"bfloat16"})
EITHER = frozenset({"bfloat16", "float16"})
UNBOUNDED = {
    # Random weights so large that rounding to 8 bits tells; each family has other rows that are bounded.
    **dict.fromkeys(("timm-folder", "efficientnet", "omni-image", "wavlm", "wavlm-layers"), ROUNDED),
    **dict.fromkeys(("clip-image", "clip-sentence-transformers-image", "metaclip-2-image"), ROUNDED),
    **dict.fromkeys(("frames-image", "altclip-text", "sew", "clap-unfused-text"), ROUNDED),
    # A rounded score can be enough for another word.
    **dict.fromkeys(("bridge-caption", "bridge-caption-asked", "bridge-ocr-model"), EITHER),
    # torch has no half kernels on a CPU for its pooling, and for CLAP's batch norm as sentence-transformers runs it.
    **dict.fromkeys(("torchvision-s3d", "omni-audio"), EITHER),
}
"""Half types that are not held to their bound, by row."""

pytestmark = pytest.mark.filterwarnings("ignore")


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def space(case, load):
    return load(case)


@pytest.fixture(scope="module")
def items(case, items_of):
    return items_of(case)


@pytest.fixture(scope="module")
def vectors(case, space, items, embed):
    return embed(space, case, items)


def decoded(space, case, items):
    """Items as the encoder gets them: what references are computed from."""
    if case.modality == "text":
        return items
    encoder = space.encoder(case.modality)
    return [space.media(case.modality, item).decode(**encoder.decode_options) for item in items]


def test_an_item_has_the_same_vector_alone_and_in_a_batch(case, space, items, vectors, embed):
    alone = np.concatenate([embed(space, case, [item]) for item in items])
    np.testing.assert_allclose(alone, vectors, atol=case.tolerance)
    shuffled = embed(space, case, items[::-1])[::-1]
    np.testing.assert_allclose(shuffled, vectors, atol=case.tolerance)


def test_a_text_that_is_empty_or_broken_has_a_vector_or_an_error_of_its_own(case, space, items, vectors):
    if case.modality != "text":
        return
    broken = {1: "half a \ud800 character", 2: "", 3: "  \n"}
    batch = space.encode([sw.Text(text) for text in (items[0], *broken.values(), items[1])], on_error="skip")
    assert {0, 4} <= set(batch.kept)
    np.testing.assert_allclose(batch.vectors[[0, -1]], vectors[:2], atol=case.tolerance)
    assert 1 not in batch.kept
    for error in batch.failed:
        assert error.position in broken
        reasons = (
            ("holds half a character",) if error.position == 1 else ("it holds no token", "the API does not embed")
        )
        assert error.reason.startswith(reasons)


def test_distinct_items_have_distinct_vectors(vectors):
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, 0)
    assert similar.max() < 0.99999


def test_the_same_content_has_the_same_vector_twice(case, space, items, vectors, embed):
    np.testing.assert_array_equal(embed(space, case, items), vectors)


def test_the_same_content_has_the_same_vector_after_the_model_was_freed(case, load, items, vectors, embed):
    space = load(case, cache_size=1)
    embed(space, case, items[:1])
    space.close()
    np.testing.assert_allclose(embed(space, case, items), vectors, atol=1e-6)


def test_a_model_that_was_loaded_needs_its_files_no_more(case, copy_of, load_from, items, vectors, embed):
    if case.served:
        return
    folder = copy_of(case)
    space = load_from(case, folder)
    space.load([case.modality])
    shutil.rmtree(folder)
    np.testing.assert_allclose(embed(space, case, items), vectors, atol=1e-6)


def test_vectors_equal_the_computation_that_the_authors_document(case, space, folder_of, items, vectors):
    expected = case.reference(folder_of(case), decoded(space, case, items), "document")
    np.testing.assert_allclose(vectors, unit(expected), atol=case.reference_tolerance)


def test_half_types_stay_within_their_bound(case, load, name_of, items, vectors, embed):
    family, _ = find_family(name_of(case))
    if "dtype" not in family.options():
        return
    for dtype in sorted(EITHER - UNBOUNDED.get(case.id, frozenset())):
        half = embed(load(case, dtype=dtype), case, items)
        assert half.dtype == np.float32
        assert (half * vectors).sum(axis=1).min() >= 0.999, dtype


def test_vectors_are_finite_float32_of_length_one(space, items, vectors):
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(items), space.dimension)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_weight_that_is_not_finite_gives_an_error_and_no_vector(case, items, embed, altered, load_from):
    if case.poison is None:
        pytest.fail(f"{case.id} names no tensor to poison")
    folder = altered(case, lambda tensor: tensor.fill_(float("nan")), case.poison)
    expected, words = (WeightsError, "is pinned") if case.relocate else (sw.EncodingError, "not finite")
    with pytest.raises(expected, match=words):
        embed(load_from(case, folder), case, items[:1])


def test_a_checkpoint_that_lacks_a_weight_is_refused_by_name(case, items, embed, altered, load_from):
    if case.missing is None:
        pytest.fail(f"{case.id} names no tensor to remove")
    folder = altered(case, None, case.missing)
    with pytest.raises(case.missing_error, match=re.escape(case.missing_as or case.missing)):
        embed(load_from(case, folder), case, items[:1])


@pytest.fixture
def altered(copy_of):
    """A copy of a case's checkpoint in which one tensor is changed, or removed; of a package, one file is damaged."""

    def alter(case, change, ending: str) -> Path:
        from safetensors import safe_open
        from safetensors.torch import save_file

        folder = copy_of(case)
        if case.relocate is not None:
            (file,) = folder.rglob(ending)
            content = file.read_bytes()
            file.unlink()  # it may be a link to the package's own
            file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            return folder
        for file in sorted(folder.rglob("*.safetensors")):
            with safe_open(file, "pt") as stored:
                tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
                metadata = stored.metadata()
            found = [key for key in tensors if key.endswith(ending)]
            if not found:
                continue
            for key in found:
                if change is None:
                    del tensors[key]
                else:
                    tensors[key] = change(tensors[key].clone())
            save_file(tensors, file, metadata)
            return folder
        raise AssertionError(f"{case.id} has no tensor that ends with {ending}")

    return alter


def test_prompts_of_queries_and_documents_are_applied(case, space, folder_of, items, vectors, embed):
    if case.modality != "text":
        for role in ("query", "document"):
            np.testing.assert_allclose(embed(space, case, items[:2], role=role), vectors[:2], atol=case.tolerance)
        return
    for role in ("query", "document"):
        expected = unit(case.reference(folder_of(case), items, role))
        np.testing.assert_allclose(embed(space, case, items, role=role), expected, atol=case.reference_tolerance)
    if case.prompts:
        queries, documents = (embed(space, case, items, role=role) for role in ("query", "document"))
        assert np.abs(queries - documents).max() > 1e-3


def test_strings_are_text_whatever_they_look_like(case, space, folder_of, tmp_path, embed):
    if case.modality != "text":
        return
    from PIL import Image

    picture = tmp_path / "dog.png"
    Image.new("RGB", (8, 8), "red").save(picture)
    traps = [str(picture), picture.as_uri(), "http://169.254.169.254/dog.png", "data:image/png;base64,AAAA", "dog.wav"]
    expected = unit(case.reference(folder_of(case), traps, "document"))
    np.testing.assert_allclose(embed(space, case, traps), expected, atol=case.reference_tolerance)


def test_every_form_of_the_same_content_has_the_same_vector(case, space, items, vectors, embed):
    forms = [items[0], sw.Text(items[0])] if case.modality == "text" else case.forms(items[0])
    for form in forms:
        np.testing.assert_allclose(embed(space, case, [form])[0], vectors[0], atol=case.tolerance)


def test_what_is_too_long_is_reported_or_windowed(case, space, folder_of, tmp_path, embed):
    if case.long_item is None:
        return
    item = case.long_item(tmp_path)
    if case.splits_long:
        encoder = space.encoder(case.modality)
        windows = space.media(case.modality, item).windows(encoder.window_seconds, at_pauses=encoder.cut_at_pauses)
        assert len(windows) > 1
        expected = unit(embed(space, case, windows).mean(axis=0, keepdims=True))
        np.testing.assert_allclose(embed(space, case, [item]), expected, atol=1e-4)
        return
    with pytest.warns(TruncationWarning, match="longer than"):
        batch = space.encode([sw.Text(item), sw.Text("short")])
    assert batch.dropped[0] > 0
    assert batch.dropped[1] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", TruncationWarning)
        embed(space, case, ["short"])


def test_asking_for_a_modality_that_is_lacking_names_those_there_are(case, space):
    for modality in MODALITIES:
        if modality in space.modalities:
            continue
        with pytest.raises(UnsupportedModalityError, match=case.modality):
            getattr(space, f"embed_{modality}")([b"\x00"] if modality != "text" else ["a dog"])


def test_every_family_that_is_listed_is_under_contract_with_each_of_its_modalities(name_of, request):
    listed = {(family.scheme, modality) for family in map(family_for, BUILT_IN) for modality in family.modalities}
    cases = request.config.senseweave_families
    assert {(find_family(name_of(case))[0].scheme, case.modality) for case in cases} == listed
    assert len({case.id for case in cases}) == len(cases)


@pytest.mark.timeout(1200)
def test_a_second_process_computes_the_same_vectors(load, items_of, embed, name_of, folder_of, tmp_path, request):
    from_here, jobs = {}, []
    cases = request.config.senseweave_families
    for case in cases:
        items = items_of(case)
        from_here[case.id] = embed(load(case), case, items)
        options = case.options_at(folder_of(case))
        jobs.append([case.id, name_of(case), case.modality, options, [str(item) for item in items]])
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    script = (
        "import json, sys, warnings, numpy as np, senseweave as sw\n"
        "warnings.simplefilter('ignore')\n"
        "out = {}\n"
        "for id, name, modality, options, items in json.load(open(sys.argv[1])):\n"
        "    space = sw.load(name, cache_size=0, **options)\n"
        "    out[id] = getattr(space, f'embed_{modality}')(items)\n"
        "np.savez(sys.argv[2], **out)\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "jobs.json"), str(tmp_path / "vectors.npz")]
    subprocess.run(arguments, check=True, capture_output=True, timeout=900)
    from_there = np.load(tmp_path / "vectors.npz")
    for case in cases:
        np.testing.assert_allclose(from_there[case.id], from_here[case.id], atol=1e-6, err_msg=case.id)
