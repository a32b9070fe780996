"""A space under mteb, on mteb's own mock tasks, offline."""

import numpy as np
import pytest

from senseweave.errors import UnsupportedModalityError
from senseweave.evaluation.mteb import MtebModel

mteb = pytest.importorskip("mteb")
mocks = pytest.importorskip("mteb.mocks")


@pytest.mark.parametrize("name", ["MockRetrievalTask", "MockClassificationTask", "MockSTSTask", "MockClusteringTask"])
def test_text_tasks_run_to_a_score(space, name):
    result = mteb.evaluate(MtebModel(space), getattr(mocks, name)(), cache=None, show_progress_bar=False)
    scores = result.task_results[0].scores
    assert scores
    for split in scores.values():
        assert all(np.isfinite(scores["main_score"]) for scores in split)


@pytest.mark.parametrize("name", ["MockAny2AnyRetrievalT2ITask", "MockAny2AnyRetrievalI2TTask"])
def test_tasks_across_modalities_run_to_a_score(space, name):
    result = mteb.evaluate(MtebModel(space), getattr(mocks, name)(), cache=None, show_progress_bar=False)
    assert 0 <= result.task_results[0].get_score() <= 1


def test_vectors_are_those_of_the_space_with_its_roles(space):
    model = MtebModel(space)
    batches = [{"text": ["red", "blue"]}, {"text": ["green"]}]
    got = model.encode(batches, task_metadata=None, hf_split="test", hf_subset="default", prompt_type="query")
    assert got == pytest.approx(space.embed_text(["red", "blue", "green"], role="query"), abs=1e-6)
    assert model.similarity(got, got).shape == (3, 3)
    assert model.similarity_pairwise(got, got).numpy() == pytest.approx([1, 1, 1], abs=1e-5)


def test_sound_comes_as_an_array_with_its_rate(space, tiny):
    times = np.arange(16_000) / 16_000
    sound = {"array": np.sin(2 * np.pi * tiny.PITCHES["high"] * times).astype(np.float32), "sampling_rate": 16_000}
    got = MtebModel(space).encode([{"audio": [sound]}], task_metadata=None, hf_split="test", hf_subset="default")
    assert got == pytest.approx(space.embed_audio([(sound["array"], 16_000)]), abs=1e-6)


def test_an_item_of_two_modalities_is_the_sum_of_both(space):
    picture = np.full((8, 8, 3), (220, 30, 30), np.uint8)
    batch = {"text": ["a note"], "image": [picture]}
    got = MtebModel(space).encode([batch], task_metadata=None, hf_split="test", hf_subset="default")
    total = space.embed_text(["a note"]) + space.embed_image([picture])
    assert got == pytest.approx(total / np.linalg.norm(total), abs=1e-6)


def test_a_task_of_another_modality_is_refused_by_name(tiny):
    model = MtebModel(tiny.make_space(modalities=("text",)))
    with pytest.raises(UnsupportedModalityError, match="image"):
        model.encode([{"image": [None]}], task_metadata=None, hf_split="test", hf_subset="default")


def test_the_description_names_the_space_and_its_fingerprint(space):
    meta = MtebModel(space).mteb_model_meta
    assert meta.name == "senseweave/tiny"
    assert meta.revision == space.fingerprint
    assert set(meta.modalities) == {"text", "image", "audio"}
