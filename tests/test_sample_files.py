"""The small files that test suites draw are what their suffix says, and differ in content."""

from pathlib import Path

import pytest

from senseweave.interop import collect
from senseweave.testing import SUFFIXES, sample_files


@pytest.mark.parametrize("modality", SUFFIXES)
def test_three_files_of_a_modality_are_recognized_decoded_and_distinct(modality, tmp_path: Path) -> None:
    media = list(collect(sample_files(tmp_path, modality)))
    assert [item.modality for item in media] == [modality] * 3
    assert len({item.sha256 for item in media}) == 3
    for item in media:
        item.verify()
