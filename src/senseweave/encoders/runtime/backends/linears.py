"""Linear layers in two forms: as torch has them, and with weights laid out once for oneDNN's kernels."""

from __future__ import annotations

import threading
from collections.abc import Collection
from functools import cache
from typing import Any, Final, Literal

from senseweave.extras import require

Linears = Literal["plain", "prepacked"]
"""`torch.nn.Linear`, which is MKL's product on most builds, or oneDNN's with weights laid out for it."""
LINEARS: Final[tuple[Linears, ...]] = ("prepacked", "plain")

_current = threading.local()


class UseLinears:
    """Makes the linear layers of this thread compute in one of their forms, within a `with` block."""

    def __init__(self, form: Linears) -> None:
        self.form = form

    def __enter__(self) -> None:
        _current.form = self.form

    def __exit__(self, *exception: object) -> None:
        _current.form = None


@cache
def switchable_linear() -> type[Any]:
    """Return the class of linear layers that have both forms, made of a `torch.nn.Linear`.

    Which is faster depends on the processor: on two cores of an AMD EPYC oneDNN does 105 GFLOP/s a core where MKL does
    90, and on an Intel Xeon MKL is the faster for a short query. oneDNN's operators are private to torch, so that what
    they compute must be proven on each model before it is used.
    """
    torch = require("torch", extra="text")
    operators = torch.ops.mkldnn

    class SwitchableLinear(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, linear: Any) -> None:
            super().__init__()
            self.in_features, self.out_features = linear.in_features, linear.out_features
            self.weight, self.bias = linear.weight, linear.bias
            if self.bias is not None and not self.bias.is_contiguous():  # oneDNN reads it as if it were
                self.bias = torch.nn.Parameter(self.bias.detach().contiguous(), self.bias.requires_grad)
            self.packed = operators._reorder_linear_weight(linear.weight.detach(), None)

        def forward(self, states: Any) -> Any:
            if self.packed is None or (self.weight is not None and _current.form == "plain"):
                return torch.nn.functional.linear(states, self.weight, self.bias)
            return operators._linear_pointwise(states, self.packed, self.bias, "none", [], "")

        def keep(self, forms: Collection[Linears]) -> None:
            if "plain" not in forms:
                self.weight = None
            if "prepacked" not in forms:
                self.packed = None

    return SwitchableLinear


def prepacked_linear(linear: Any) -> Any:
    """Return a linear layer with its weights laid out for oneDNN alone."""
    layer = switchable_linear()(linear)
    layer.keep(("prepacked",))
    return layer


def make_switchable(model: Any) -> None:
    """Replace each linear layer by one that has both forms, of which `UseLinears` chooses."""
    torch = require("torch", extra="text")
    for name, module in list(model.named_modules()):
        if type(module) is torch.nn.Linear:
            model.set_submodule(name, switchable_linear()(module))


def keep_forms(model: Any, forms: Collection[Linears]) -> None:
    """Free the weights of the other forms of every linear layer."""
    for module in model.modules():
        if isinstance(module, switchable_linear()):
            module.keep(forms)


def linear_weights(model: Any) -> int:
    """Return the number of multiplications that a token costs in the linear layers of a model."""
    torch = require("torch", extra="text")
    linears = (module for module in model.modules() if isinstance(module, torch.nn.Linear))
    return sum(linear.in_features * linear.out_features for linear in linears)
