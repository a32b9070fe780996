"""How a network computes on a CPU: as it is, or a faster way that is proven to give the same vectors.

It serves image networks, the text towers beside them, and encoders of speech and sound. Three ways are tried when a
network is first used: batch norms folded into the convolutions before them, weights of convolutions laid out by places
instead of channels (`channels_last`), and linear layers in the layout of oneDNN's kernels. Each is kept where samples
come out the same and it was faster. Nothing of it is in a fingerprint.
A network too small to gain by it stays as it is, in every process alike.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from senseweave.display import printable
from senseweave.encoders.runtime.backends.linears import prepacked_linear
from senseweave.extras import require
from senseweave.forking import RLock

SAMPLES: Final = ((320, 240), (240, 300))
"""Width and height of the pictures on which ways are compared."""
TOLERANCE: Final = 1e-5
"""Greatest difference between the vectors of two ways, relative to their largest number."""
FEWEST_CONVOLUTIONS: Final = 4
"""A network of fewer is no convolutional network: transformers have one, for their patches."""
FEWEST_PRODUCTS: Final = 100_000_000
"""Multiplications that two samples cost; with fewer, calls take longer than numbers, and chance would choose."""
MOST_RUNS: Final = 6
TIMED_SECONDS: Final = 0.25
BATCHES_OF_SAMPLES: Final = 4
"""A usual batch by the two samples: linear layers are timed with so many times their rows."""
MOST_ROWS: Final = 512
"""Of these, for clips."""
LINEAR_ROUNDS: Final = 5

_log = logging.getLogger(__name__)
_lock = RLock()
_ways: WeakKeyDictionary[Any, dict[str, tuple[str, ...]]] = WeakKeyDictionary()
"""By network and part."""
_sizes: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
"""Parameters of networks before anything was changed, which takes some away."""
_found: dict[Hashable, tuple[str, ...]] = {}
"""Ways of networks that were freed: loaded again, they compute as before, to the last bit."""

Undo = Callable[[], None]
T = TypeVar("T")


def ways_chosen(model: Any, part: str = "") -> tuple[str, ...]:
    """Return the ways in which a network, or a part of it, was changed: `folded`, `channels_last`, `prepacked`."""
    return _ways.get(model, {}).get(part, ())


def sample_pictures() -> list[Any]:
    """Return PIL images of noise over a coarser ground."""
    from PIL import Image

    rng = np.random.default_rng(0)
    pictures = []
    for width, height in SAMPLES:
        ground = rng.integers(0, 192, (height // 20, width // 20, 3)).repeat(20, 0).repeat(20, 1)
        pictures.append(Image.fromarray((ground + rng.integers(0, 64, ground.shape)).astype(np.uint8)))
    return pictures


def sample_views(prepare: Callable[[Any], Sequence[T]]) -> Callable[[], list[T]]:
    """Return a function that makes samples for `choose_ways`: what `prepare` makes of each of `sample_pictures`."""
    return lambda: [view for picture in sample_pictures() for view in prepare(picture)]


def choose_ways(
    name: str,
    model: Any,
    make_samples: Callable[[], T],
    compute: Callable[[T], np.ndarray],
    *,
    part: str = "",
) -> tuple[str, ...]:
    """Change a network so that it computes faster, where that is proven on samples; once for each network and part.

    Args:
        name: What logs call it.
        model: A torch module in eval mode.
        make_samples: Prepares pictures (see `sample_views`), clips, texts or sounds for it.
        compute: Computes their vectors by this module, shape (n, dimension).
        part: Which part of the module the samples pass, where another part computes something else, such as `text`.

    Returns:
        The ways in which it was changed, see `ways_chosen`.
    """
    if part not in _ways.get(model, {}):
        with _lock:
            chosen = _ways.setdefault(model, {})
            if part not in chosen:
                chosen[part] = ()
                if model not in _sizes:
                    _sizes[model] = sum(weights.numel() for weights in model.parameters())
                key = (name, type(model), _sizes[model], part)
                chosen[part] = _try_ways(name, model, make_samples, compute, _found.get(key))
                _found[key] = chosen[part]
    return _ways[model][part]


def _try_ways(
    name: str,
    model: Any,
    make_samples: Callable[[], T],
    compute: Callable[[T], np.ndarray],
    known: Sequence[str] | None,
) -> tuple[str, ...]:
    """Change a network; `known` are the ways that were fastest before, which are proven again and not timed."""
    torch = require("torch", extra="image")
    parameters = list(model.parameters())
    if any(weights.device.type != "cpu" or weights.dtype != torch.float32 for weights in parameters):
        return ()
    watched = _Watched(torch, model)
    try:
        samples = make_samples()
        with watched:
            expected = compute(samples)
    except Exception as error:  # the error that counts is that of the user's own input, if it has one
        _log.info("%s cannot be tried on samples: %s", printable(name), printable(str(error)))
        return ()
    if watched.products < FEWEST_PRODUCTS:
        return ()
    trial = _Trial(name, lambda: compute(samples), expected)
    ways = []
    if len(watched.convolutions) >= FEWEST_CONVOLUTIONS:
        usual = trial.time() if known is None else None
        changes = {
            "folded": lambda: _fold_norms(torch, model, watched.norms),
            "channels_last": lambda: _lay_out_by_places(torch, model),
        }
        if not watched.norms:
            del changes["folded"]
        for way, change in changes.items():
            if known is not None and way not in known:
                continue
            taken = trial.try_change(way, change, usual)
            if taken is not None:
                usual = taken if known is None else None
                ways.append(way)
    elif (
        watched.linears
        and (
            "prepacked" in known if known is not None else _is_faster_prepacked(torch, watched.costliest, watched.rows)
        )
        and trial.try_change("prepacked", lambda: _prepack(model, watched.linears)) is not None
    ):
        ways.append("prepacked")
    _log.debug("%s computes by: %s", printable(name), ", ".join(ways) or "the model as it is")
    return tuple(ways)


class _Watched:
    """Notes which layers of a network compute the samples, and which batch norms stand right behind a convolution.

    Another thread may compute another part of the network meanwhile, which is not noted.
    """

    def __init__(self, torch: Any, model: Any) -> None:
        self.convolutions: list[Any] = []
        self.linears: list[Any] = []
        self.norms: list[tuple[Any, Any]] = []
        self.costliest: Any = None
        self.rows = 0
        self.products = 0
        self._most = 0
        self._outputs: dict[int, tuple[Any, Any]] = {}
        self._calls: dict[Any, int] = {}
        nn = torch.nn
        self._kinds = (nn.Conv2d, nn.Conv3d), (nn.BatchNorm2d, nn.BatchNorm3d), nn.Linear
        self._model = model
        self._thread = threading.get_ident()

    def __enter__(self) -> None:
        kinds = (*self._kinds[0], *self._kinds[1], self._kinds[2])
        watched = (module for module in self._model.modules() if isinstance(module, kinds))
        self._hooks = [module.register_forward_hook(self._note) for module in watched]

    def __exit__(self, *exception: object) -> None:
        for hook in self._hooks:
            hook.remove()
        self._outputs.clear()
        once = [pair for pair in self.norms if all(self._calls[layer] == 1 for layer in pair)]
        self.norms = once

    def _note(self, module: Any, inputs: Any, output: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        convolutions, norms, linear = self._kinds
        self._calls[module] = self._calls.get(module, 0) + 1
        if isinstance(module, convolutions):
            self.products += output.numel() * module.weight[0].numel()
            self.convolutions.append(module)
            self._outputs[id(output)] = (module, output)  # kept, so that no other output gets its id
        elif isinstance(module, norms):
            before = self._outputs.get(id(inputs[0])) if inputs else None
            if before is not None and not module.training and module.running_var is not None:
                self.norms.append((before[0], module))
        elif isinstance(module, linear) and inputs:
            rows = inputs[0].numel() // max(1, module.in_features)
            products = rows * module.weight.numel()
            self.products += products
            if type(module) is not linear or self._calls[module] > 1:
                return
            self.linears.append(module)
            if products > self._most:
                self.costliest, self.rows, self._most = module, rows, products


class _Trial:
    """Tries changes of a network, and takes back those that change vectors or gain nothing."""

    def __init__(self, name: str, compute: Callable[[], np.ndarray], expected: np.ndarray) -> None:
        self._name = name
        self._compute = compute
        self._expected = expected

    def time(self) -> float:
        """Return the seconds that the samples take: the least of two runs, or of up to six in `TIMED_SECONDS`."""
        taken = [self._once(), self._once()]
        while len(taken) < MOST_RUNS and sum(taken) < TIMED_SECONDS:
            taken.append(self._once())
        return min(taken)

    def try_change(self, way: str, change: Callable[[], Undo], usual: float | None = None) -> float | None:
        """Make a change; return the seconds that the samples then take, or None if it was taken back.

        Args:
            way: What logs call it.
            change: Makes it and returns what takes it back.
            usual: The seconds that samples take without it; None if it is known to be faster.
        """
        undo: Undo | None = None
        try:
            undo = change()
            found = self._compute()
            difference = float(np.abs(found - self._expected).max()) / max(1e-12, float(np.abs(self._expected).max()))
            reason = "" if difference <= TOLERANCE else f"vectors differ by {difference:.1e}, more than {TOLERANCE:.0e}"
            taken = self.time() if usual is not None and not reason else 0.0
            if usual is not None and taken >= usual:
                reason = reason or "it is not faster here"
        except Exception as error:  # private operators and model code may fail in any way; the model as it is remains
            reason, taken = f"{type(error).__name__}: {error}", 0.0
        if not reason:
            return taken
        _log.info("%s does not compute %s: %s", printable(self._name), way, printable(reason))
        if undo is not None:
            undo()
        return None

    def _once(self) -> float:
        start = time.perf_counter()
        self._compute()
        return time.perf_counter() - start


def _fold_norms(torch: Any, model: Any, pairs: list[tuple[Any, Any]]) -> Undo:
    """Fold batch norms into the convolutions before them; timm's norms, which hold their activation, leave it."""
    names = {module: name for name, module in model.named_modules()}
    replaced: list[tuple[str, Any]] = []

    def undo() -> None:
        for name, module in replaced:
            model.set_submodule(name, module)

    try:
        for convolution, norm in pairs:
            folded = torch.nn.utils.fusion.fuse_conv_bn_eval(convolution, norm)
            rest = getattr(norm, "act", None) or torch.nn.Identity()
            for module, other in ((convolution, folded), (norm, rest)):
                replaced.append((names[module], module))
                model.set_submodule(names[module], other)
    except Exception:
        undo()
        raise
    return undo


def _lay_out_by_places(torch: Any, model: Any) -> Undo:
    model.to(memory_format=torch.channels_last)
    return lambda: model.to(memory_format=torch.contiguous_format)


def _prepack(model: Any, linears: list[Any]) -> Undo:
    names = {module: name for name, module in model.named_modules()}
    for linear in linears:
        model.set_submodule(names[linear], prepacked_linear(linear))

    def undo() -> None:
        for linear in linears:
            model.set_submodule(names[linear], linear)

    return undo


def _is_faster_prepacked(torch: Any, linear: Any, rows: int) -> bool:
    """Return whether the costliest linear layer is faster in oneDNN's layout, at the rows of a usual batch."""
    states = torch.randn(min(BATCHES_OF_SAMPLES * rows, MOST_ROWS), linear.in_features)
    with torch.inference_mode():
        try:
            packed = prepacked_linear(linear)
            taken: dict[Any, list[float]] = {linear: [], packed: []}
            for _ in range(LINEAR_ROUNDS):
                for layer, times in taken.items():
                    start = time.perf_counter()
                    layer(states)
                    times.append(time.perf_counter() - start)
        except Exception:  # private operators, which another build of torch may lack
            return False
    return min(taken[packed]) < min(taken[linear])
