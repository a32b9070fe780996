"""For authors of plugins: toy encoders, small files, and the contract of every family of encoders; needs pytest."""

import pytest

pytest.register_assert_rewrite("senseweave.testing.contract")  # has to come before the import

from senseweave.testing.case import Case, Reference  # noqa: E402
from senseweave.testing.contract import EncoderContract  # noqa: E402
from senseweave.testing.models import CaseModels  # noqa: E402
from senseweave.testing.samples import SUFFIXES, sample_files  # noqa: E402
from senseweave.testing.toys import ToyEncoder, toy_space  # noqa: E402

__all__ = [
    "SUFFIXES",
    "Case",
    "CaseModels",
    "EncoderContract",
    "Reference",
    "ToyEncoder",
    "sample_files",
    "toy_space",
]
