"""The contract of every encoder, driven over a tiny model of every family."""

from __future__ import annotations

from dataclasses import replace

import contract_table
import pytest
from tiny_aligned import ALIGNED_FAMILIES
from tiny_audio import AUDIO_FAMILIES
from tiny_beats import BEATS_FAMILIES
from tiny_bridges import BRIDGE_FAMILIES
from tiny_clip_networks import CLIP_NETWORK_FAMILIES
from tiny_contextual import CONTEXTUAL_FAMILIES
from tiny_events import EVENT_FAMILIES
from tiny_image import IMAGE_FAMILIES
from tiny_image_text import IMAGE_TEXT_FAMILIES
from tiny_omni import OMNI_FAMILIES
from tiny_openai import OPENAI_FAMILIES
from tiny_pe_av import PE_AV_FAMILIES
from tiny_sentence import SENTENCE_FAMILIES
from tiny_speaker import SPEAKER_FAMILIES
from tiny_starter import STARTER_FAMILIES
from tiny_vggish import VGGISH_FAMILIES
from tiny_video import VIDEO_FAMILIES

from senseweave.encoders.registry import BUILT_IN, family_for, find_family
from senseweave.errors import ModelError
from senseweave.testing import Case, CaseModels, EncoderContract
from senseweave.testing.models import embed

pytestmark = pytest.mark.timeout(1200)

ROUNDED = frozenset({"bfloat16"})
EITHER = frozenset({"bfloat16", "float16"})
WITHOUT_HALF_KERNELS = ("torchvision-s3d", "omni-audio")
"""torch has no half kernels on a CPU for the pooling of S3D, and for CLAP's batch norm in sentence-transformers."""
WRITERS = ("bridge-caption", "bridge-caption-asked", "bridge-ocr-model")
"""A rounded score can be enough for another word, which `Encoder.deterministic` says."""
REFUSED = {
    # Random weights so large that rounding to 8 bits tells; each family has other rows that are bounded.
    **dict.fromkeys(("efficientnet", "omni-image", "wavlm", "wavlm-layers", "sew", "vit-mae"), ROUNDED),
    **dict.fromkeys(("clip-image", "clip-sentence-transformers-image", "metaclip-2-image"), ROUNDED),
    **dict.fromkeys(("frames-image", "altclip-text", "chinese-clip-image", "clap-unfused-text", "xclip-text"), ROUNDED),
    **dict.fromkeys(("pe-audio-audio", "pe-av-audio"), ROUNDED),
    "timm-folder": EITHER,
}
"""Half types that a model is refused in, because they were measured to lose too much, by case."""


CASES: list[Case] = [
    *CONTEXTUAL_FAMILIES,
    *SENTENCE_FAMILIES,
    *IMAGE_TEXT_FAMILIES,
    *IMAGE_FAMILIES,
    *AUDIO_FAMILIES,
    *SPEAKER_FAMILIES,
    *EVENT_FAMILIES,
    *VGGISH_FAMILIES,
    *BEATS_FAMILIES,
    *OMNI_FAMILIES,
    *VIDEO_FAMILIES,
    *CLIP_NETWORK_FAMILIES,
    *PE_AV_FAMILIES,
    *OPENAI_FAMILIES,
    *BRIDGE_FAMILIES,
    *STARTER_FAMILIES,
    *ALIGNED_FAMILIES,
]
"""Another family adds its list of cases from a file of its own in `tiny/`."""


def bounded(case: Case) -> Case:
    unbounded = EITHER if case.id in WITHOUT_HALF_KERNELS + WRITERS else REFUSED.get(case.id, frozenset())
    return replace(case, half_types=case.half_types - unbounded)


class TestBuiltInFamilies(EncoderContract):
    cases = tuple(bounded(case) for case in CASES)

    def test_every_family_that_is_listed_is_under_contract_with_each_of_its_modalities(
        self, models: CaseModels
    ) -> None:
        listed = {(family.scheme, modality) for family in map(family_for, BUILT_IN) for modality in family.modalities}
        assert {(find_family(models.name(case))[0].scheme, case.modality) for case in CASES} == listed
        assert len({case.id for case in CASES}) == len(CASES)

    def test_the_documentation_says_which_contracts_run_for_which_family(self, models: CaseModels) -> None:
        document = contract_table.DOCUMENT.read_text(encoding="utf-8")
        tables = contract_table.render(self.cases, models)
        assert document == contract_table.replace(document, tables), "run python tests/encoders/tiny/contract_table.py"
        for scheme, file in contract_table.REAL_WEIGHTS.items():
            assert "pytest.mark.integration" in (contract_table.HERE / file).read_text(encoding="utf-8"), scheme

    @pytest.mark.parametrize("dtype", sorted(EITHER))
    def test_a_half_type_that_torch_cannot_compute_in_is_refused_with_the_type_to_use(
        self, models: CaseModels, dtype: str
    ) -> None:
        for case in CASES:
            if case.id in WITHOUT_HALF_KERNELS:
                with pytest.raises(ModelError, match=rf"cannot compute in {dtype} .*dtype='float32'"):
                    embed(models.space(case, dtype=dtype), case, models.items(case)[:1])

    @pytest.mark.parametrize(("name", "dtype"), [(name, dtype) for name in REFUSED for dtype in sorted(REFUSED[name])])
    def test_a_half_type_that_loses_too_much_is_refused_with_the_type_to_use(
        self, models: CaseModels, name: str, dtype: str
    ) -> None:
        (case,) = (case for case in CASES if case.id == name)
        with pytest.raises(ModelError, match=rf"loses too much in {dtype}: .*dtype='float32'"):
            embed(models.space(case, dtype=dtype), case, models.items(case))

    def test_no_case_leaves_out_a_contract_that_its_family_can_keep(self, models: CaseModels) -> None:
        for case in CASES:
            assert case.poison, case.id
            assert case.missing, case.id
            assert case.modality == "text" or case.forms, case.id
            family, _ = find_family(models.name(case))
            assert bool(case.half_types) == ("dtype" in family.options()), case.id
            assert case.complete == (len(models.space(case).modalities) == 4), case.id
