"""For authors of plugins: toy encoders, and the contract that every family of encoders keeps; needs pytest."""

import pytest

pytest.register_assert_rewrite("senseweave.testing.contract")  # has to come before the import

from senseweave.testing.case import Case, Reference  # noqa: E402
from senseweave.testing.contract import EncoderContract  # noqa: E402
from senseweave.testing.models import CaseModels  # noqa: E402
from senseweave.testing.toys import ToyEncoder, toy_space  # noqa: E402

__all__ = ["Case", "CaseModels", "EncoderContract", "Reference", "ToyEncoder", "toy_space"]
