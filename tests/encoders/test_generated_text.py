"""Captions, text in pictures and transcripts are the same alone, in any batch and with any number of threads."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tiny_bridges
from tiny_bridges import BRIDGE_FAMILIES
from tiny_starter import STARTER_FAMILIES

import senseweave as sw
from senseweave.encoders.bridges.base import FramesAndSpeech, Transcribe
from senseweave.encoders.bridges.image_to_text import ImageToText
from senseweave.encoders.bridges.sounds import SpeechAndSounds
from senseweave.testing import CaseModels

GENERATES = (ImageToText, Transcribe, SpeechAndSounds, FramesAndSpeech)
GENERATING = [
    case
    for case in (*BRIDGE_FAMILIES, *STARTER_FAMILIES)
    if case.id.startswith(("bridge-caption", "bridge-ocr", "bridge-transcribe"))
    or (case.id.startswith("starter") and case.modality in ("audio", "video") and "features" not in case.id)
]
DESCRIBE = """
import json, sys, torch, warnings, senseweave as sw
warnings.simplefilter("ignore")
written = {"threads": torch.get_num_threads()}
for id, name, modality, options, items in json.load(open(sys.argv[1])):
    space = sw.load(name, cache_size=0, **options)
    written[id] = space.encode([space.media(modality, item) for item in items]).descriptions
json.dump(written, open(sys.argv[2], "w"))
"""

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return CaseModels(tmp_path_factory.mktemp("models"))


def describe(space, case, items):
    return space.encode([space.media(case.modality, item) for item in items]).descriptions


def test_every_case_that_generates_is_tested(models):
    for case in (*BRIDGE_FAMILIES, *STARTER_FAMILIES):
        generates = isinstance(models.space(case).encoder(case.modality), GENERATES)
        assert generates == (case in GENERATING), case.id


@pytest.mark.parametrize("case", GENERATING, ids=[case.id for case in GENERATING])
def test_what_is_generated_is_the_same_alone_and_in_any_batch(models, case):
    space, items = models.space(case), models.items(case)
    assert space.encoder(case.modality).deterministic
    together = describe(space, case, items)
    assert any(together)
    assert [describe(space, case, [item])[0] for item in items] == together
    assert describe(space, case, items[::-1])[::-1] == together


def test_what_is_generated_is_the_same_with_any_number_of_threads(models, tmp_path):
    jobs = [
        [
            case.id,
            models.name(case),
            case.modality,
            case.options_at(models.folder(case)),
            list(map(str, models.items(case))),
        ]
        for case in GENERATING
    ]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    written = []
    for threads in (1, 2):
        arguments = [str(tmp_path / "jobs.json"), str(tmp_path / "written.json")]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        done = subprocess.run(
            [sys.executable, "-c", DESCRIBE, *arguments], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        written.append(json.loads((tmp_path / "written.json").read_text(encoding="utf-8")))
        assert written[-1].pop("threads") == threads
    assert written[0] == written[1]


@pytest.fixture
def tied(tmp_path):
    """A captioner whose best word at each step has a twin: rounding decides between the two."""
    import torch
    from transformers import BlipForConditionalGeneration

    name = tiny_bridges.bridged(tiny_bridges.captioner)(tmp_path)
    model = BlipForConditionalGeneration.from_pretrained(tmp_path / "other")
    words = model.text_decoder.get_output_embeddings()
    half = words.out_features // 2
    torch.manual_seed(0)
    with torch.no_grad():
        words.weight[half : 2 * half] = words.weight[:half] * (1 + 1e-6 * torch.rand(half, 1))
        words.bias[half : 2 * half] = words.bias[:half]
    model.save_pretrained(tmp_path / "other")
    return name, {"image": f"caption:{tmp_path / 'other'}", "device": "cpu", "cache_size": 0}


def test_a_near_tie_is_decided_the_same_however_float32_rounds(tied):
    import torch

    name, options = tied
    space = sw.load(name, **options)
    model = space.encoder("image").writer._backbone()
    pixels = [np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8) for seed in range(4)]
    noise = torch.Generator()

    def round_otherwise(module, inputs, output):
        """Change scores as another order of sums does: by some units in the last place."""
        epsilon = 30 * torch.finfo(output.dtype).eps
        return output * (1 + epsilon * torch.randn(output.shape, generator=noise, dtype=output.dtype))

    model.text_decoder.get_output_embeddings().register_forward_hook(round_otherwise)
    written = []
    for seed in range(3):
        noise.manual_seed(seed)
        written.append(space.encode([sw.Image(picture) for picture in pixels]).descriptions)
    assert written[0] == written[1] == written[2]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_half_type_says_that_rounding_can_change_its_words(tied):
    name, options = tied
    assert sw.load(name, **options).encoder("image").deterministic
    assert not sw.load(name, **options, dtype="bfloat16").encoder("image").deterministic
