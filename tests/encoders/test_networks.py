"""A network computes a faster way only where its vectors stay the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from senseweave.encoders.runtime import networks
from senseweave.encoders.runtime.backends.linears import prepacked_linear
from senseweave.encoders.runtime.networks import choose_ways, ways_chosen

nn = torch.nn


@pytest.fixture(autouse=True)
def _no_network_before(monkeypatch):
    monkeypatch.setattr(networks, "_found", {})
    monkeypatch.setattr(networks, "FEWEST_PRODUCTS", 0)


@pytest.fixture
def samples():
    return torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def always_faster(monkeypatch):
    """Let every way seem faster than the one before, so that the proof alone decides."""
    clock = iter(range(10_000, 0, -1))
    monkeypatch.setattr(networks._Trial, "time", lambda trial: float(next(clock)))
    monkeypatch.setattr(networks, "_is_faster_prepacked", lambda *given: True)


class Block(nn.Module):
    def __init__(self, channels_in, channels):
        super().__init__()
        self.convolution = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, states):
        return torch.relu(self.norm(self.convolution(states)))


def convolutional():
    torch.manual_seed(3)
    network = nn.Sequential(
        Block(3, 8), Block(8, 8), Block(8, 16), Block(16, 16), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    with torch.no_grad():
        for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            norm.weight.uniform_(0.5, 2)
            norm.bias.normal_()
    return network.eval()


def compute_by(network):
    def compute(pixels):
        with torch.inference_mode():
            return network(pixels).numpy()

    return compute


def test_norms_are_folded_and_vectors_stay(always_faster, samples):
    network = convolutional()
    expected = compute_by(network)(samples)
    choose_ways("net", network, lambda: samples, compute_by(network))
    assert ways_chosen(network) == ("folded", "channels_last")
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    np.testing.assert_allclose(compute_by(network)(samples), expected, rtol=1e-5, atol=1e-5)


def test_a_norm_whose_convolution_is_read_elsewhere_is_not_folded(always_faster, samples):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = convolutional()[:4]

        def forward(self, pixels):
            states = self.blocks[:3](pixels)
            before = self.blocks[3].convolution(states)
            return torch.cat([before, self.blocks[3].norm(before)], 1).mean(dim=(2, 3))

    network = Shared().eval()
    expected = compute_by(network)(samples)
    choose_ways("net", network, lambda: samples, compute_by(network))
    assert "folded" not in ways_chosen(network)
    np.testing.assert_allclose(compute_by(network)(samples), expected, rtol=1e-5, atol=1e-6)


def test_a_network_without_norms_has_none_to_fold(always_faster, samples):
    convolutions = [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 16, 3)]
    network = nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    choose_ways("net", network, lambda: samples, compute_by(network))
    assert ways_chosen(network) == ("channels_last",)


def test_what_is_not_faster_is_taken_back(monkeypatch, samples):
    times = iter([1.0, 2.0, 2.0])
    monkeypatch.setattr(networks._Trial, "time", lambda trial: next(times))
    network = convolutional()
    expected = compute_by(network)(samples)
    choose_ways("net", network, lambda: samples, compute_by(network))
    assert ways_chosen(network) == ()
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == 4
    assert all(weights.is_contiguous() for weights in network.parameters())
    np.testing.assert_array_equal(compute_by(network)(samples), expected)


def test_a_network_that_is_loaded_again_computes_as_before(monkeypatch, samples):
    times = iter([3.0, 2.0, 9.0])  # as it is, folded, by places; a second network is not timed
    monkeypatch.setattr(networks._Trial, "time", lambda trial: next(times))
    first, second = convolutional(), convolutional()
    for network in (first, second):
        assert choose_ways("net", network, lambda: samples, compute_by(network)) == ("folded",)
    np.testing.assert_array_equal(compute_by(second)(samples), compute_by(first)(samples))


def test_threads_do_not_change_how_a_network_that_is_loaded_again_computes(monkeypatch, samples):
    times = iter([3.0, 2.0, 9.0])
    monkeypatch.setattr(networks._Trial, "time", lambda trial: next(times))
    threads = torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            network = convolutional()
            assert choose_ways("net", network, lambda: samples, compute_by(network)) == ("folded",)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("size", "tried"), [(24, False), (320, True)])
def test_a_network_too_small_to_gain_stays_as_it_is(monkeypatch, size, tried):
    monkeypatch.undo()
    monkeypatch.setattr(networks, "_found", {})
    clock = iter(range(10_000, 0, -1))
    monkeypatch.setattr(networks._Trial, "time", lambda trial: float(next(clock)))
    network, pixels = convolutional(), torch.zeros(2, 3, size, size)
    assert bool(choose_ways("net", network, lambda: pixels, compute_by(network))) is tried


def transformer():
    torch.manual_seed(4)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 32), nn.GELU(), nn.Linear(32, 16)).eval()


def test_linear_layers_are_prepacked_and_vectors_stay(always_faster, samples):
    network = transformer()
    expected = compute_by(network)(samples)
    choose_ways("net", network, lambda: samples, compute_by(network))
    assert ways_chosen(network) == ("prepacked",)
    assert not any(isinstance(module, nn.Linear) for module in network.modules())
    np.testing.assert_allclose(compute_by(network)(samples), expected, atol=1e-5)


def test_a_bias_that_lies_with_gaps_gives_the_same_vectors():
    linear = nn.Linear(8, 5)
    linear.bias = nn.Parameter(torch.randn(10)[::2])
    states = torch.randn(3, 8)
    with torch.inference_mode():
        torch.testing.assert_close(prepacked_linear(linear)(states), linear(states))


def test_what_another_thread_computes_meanwhile_is_no_part_of_the_samples(always_faster, samples):
    network = nn.ModuleDict({"image": convolutional(), "text": transformer()})
    compute_text, compute_image = compute_by(network["text"]), compute_by(network["image"])

    def compute_beside_another(pixels):
        with ThreadPoolExecutor(1) as threads:
            threads.submit(compute_image, pixels).result()
        return compute_text(pixels)

    assert choose_ways("net", network, lambda: samples, compute_beside_another, part="text") == ("prepacked",)
    assert any(isinstance(module, nn.BatchNorm2d) for module in network["image"].modules())


def test_a_layer_that_reads_another_layers_weights_keeps_them(always_faster, samples):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = transformer()

        def forward(self, pixels):
            return self.layers(pixels) @ self.layers[3].weight

    network = Tied().eval()
    expected = compute_by(network)(samples)
    choose_ways("net", network, lambda: samples, compute_by(network))
    assert ways_chosen(network) == ()
    np.testing.assert_array_equal(compute_by(network)(samples), expected)


def test_layers_that_images_do_not_pass_stay_as_they_are(always_faster, samples):
    network = nn.ModuleDict({"image": transformer(), "text": transformer()})
    choose_ways("net", network, lambda: samples, compute_by(network["image"]))
    assert ways_chosen(network) == ("prepacked",)
    assert sum(isinstance(module, nn.Linear) for module in network["text"].modules()) == 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_number_types_stay_as_they_are(always_faster, samples, dtype):
    network = transformer().to(dtype)
    choose_ways("net", network, lambda: samples.to(dtype), lambda pixels: pytest.fail("computed"))
    assert ways_chosen(network) == ()


def test_a_network_is_tried_once(always_faster, samples):
    network, calls = transformer(), []
    for _ in range(3):
        choose_ways("net", network, lambda: calls.append(1) or samples, compute_by(network))
    assert len(calls) == 1


def test_each_part_of_a_network_is_tried_by_its_own_samples(always_faster, samples):
    network = nn.ModuleDict({"image": transformer(), "text": transformer()})
    expected = compute_by(network["text"])(samples)
    for part in ("image", "text", "text"):
        choose_ways("net", network, lambda: samples, compute_by(network[part]), part=part)
        assert ways_chosen(network, part) == ("prepacked",)
        assert not any(isinstance(module, nn.Linear) for module in network[part].modules())
    np.testing.assert_allclose(compute_by(network["text"])(samples), expected, atol=1e-5)


def test_a_part_computes_as_before_whichever_part_came_first(monkeypatch, samples):
    timed = []
    monkeypatch.setattr(networks, "_is_faster_prepacked", lambda *given: timed.append(1) or True)
    for parts in (("image", "text"), ("text", "image")):
        network = nn.ModuleDict({"image": transformer(), "text": transformer()})
        for part in parts:
            choose_ways("net", network, lambda: samples, compute_by(network[part]), part=part)
    assert len(timed) == 2, "ways that were found before are not timed again"
