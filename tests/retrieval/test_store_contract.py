"""Every kind of store keeps the contract that `senseweave.testing` states for authors of stores."""

import pytest
from store_kinds import KINDS, open_store

from senseweave.testing import StoreContract


def contract(kind):
    """Return the contract as a class of tests over one kind of store."""

    class OfKind(StoreContract):
        lasts = kind.lasts
        closes = kind.closes
        fractions = kind.fractions

        @pytest.fixture
        def open_store(self, request):
            expression = kind.expression(request)
            return lambda: open_store(expression)

    return OfKind


for kind in KINDS:
    globals()[f"Test{kind.name.title().replace(' ', '').replace('-', '')}"] = contract(kind)
