"""For authors of plugins: toy encoders, small files, the contracts of encoders, embeddings and stores; needs pytest."""

import pytest

# Has to come before the imports.
pytest.register_assert_rewrite(
    "senseweave.testing.contract",
    "senseweave.testing.further_vectors_contract",
    "senseweave.testing.media_contract",
    "senseweave.testing.store_contract",
    "senseweave.testing.store_inputs",
    "senseweave.testing.store_samples",
)

from senseweave.testing.case import Case, Reference  # noqa: E402
from senseweave.testing.contract import EncoderContract  # noqa: E402
from senseweave.testing.media_contract import FORMS, MediaContract  # noqa: E402
from senseweave.testing.models import CaseModels  # noqa: E402
from senseweave.testing.samples import MIME_TYPES, SUFFIXES, sample_files  # noqa: E402
from senseweave.testing.store_contract import StoreContract  # noqa: E402
from senseweave.testing.toys import ToyEncoder, toy_space  # noqa: E402

__all__ = [
    "FORMS",
    "MIME_TYPES",
    "SUFFIXES",
    "Case",
    "CaseModels",
    "EncoderContract",
    "MediaContract",
    "Reference",
    "StoreContract",
    "ToyEncoder",
    "sample_files",
    "toy_space",
]
