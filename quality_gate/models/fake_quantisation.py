"""8-bit integers simulated in PyTorch, so that a network can be trained for them.

Weights and activations are rounded to the steps they will have (Jacob et al. 2018, "Quantization and training of
neural networks for efficient integer-arithmetic-only inference"); gradients pass the rounding as if it were not there,
and stop where a value is out of range (Bengio et al. 2013, "Estimating or propagating gradients through stochastic
neurons"). What is rounded, and to which steps, is what :mod:`quality_gate.models.serving_network` does: a scale for
each channel of the weights, a range for each activation; neither the first convolution nor what follows the maps. A
batch normalisation that is folded into a convolution later multiplies its channels, and with them their steps: it may
stand apart here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle

    from quality_gate.models.zoo import TransferNetwork

# Lowest and highest of the integers: unsigned for activations, signed for weights, whose zero is in the middle.
_ACTIVATIONS, _WEIGHTS = (0, 255), (-127, 127)
_SMALLEST_STEP = 1e-8


@contextmanager
def fake_quantised(network: TransferNetwork, examples: Iterable[Tensor]) -> Iterator[None]:
    """Let a network compute as if it were in 8-bit integers; at the end its weights lie on their steps.

    Args:
        network: in evaluation mode; changed in place.
        examples: batches of photos, each of shape (N, 3, S, S), on which the ranges of the activations are measured.
    """
    from torch import nn
    from torch.nn.utils import parametrize

    class Rounded(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return round_weight(weight)

    layers = _quantised_layers(network)
    ranges = _ranges(network, layers, examples)
    handles: list[RemovableHandle] = []
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", Rounded())
        handles.append(layer.register_forward_pre_hook(_rounding_input(*ranges[layer])))
    maps = network.stages[-1]
    if network.exact_maps:
        handles.append(maps.register_forward_hook(_rounding_output(*ranges[maps])))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer in layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def round_activation(values: Tensor, low: float, high: float) -> Tensor:
    """Values, of any shape, on the 256 steps of a range; those outside lie at its ends.

    Args:
        values: of any shape.
        low: the range's lower end, 0 or less: 0 is always a step of its own.
        high: the upper end, 0 or more.
    """
    import torch

    first, last = _ACTIVATIONS
    step = max((high - low) / (last - first), _SMALLEST_STEP)
    zero = min(max(round(first - low / step), first), last)
    return torch.fake_quantize_per_tensor_affine(values, step, zero, first, last)


def round_weight(weight: Tensor) -> Tensor:
    """Weights, shape (channels, ...), each on the 255 steps of its channel, from minus its largest value to that."""
    import torch

    first, last = _WEIGHTS
    steps = (weight.detach().abs().flatten(1).amax(dim=1) / last).clamp_min(_SMALLEST_STEP)
    zeros = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, steps, zeros, 0, first, last)


def _quantised_layers(network: TransferNetwork) -> list[nn.Module]:
    """Convolutions and linear layers that will be in 8-bit integers."""
    from torch import nn

    convolutions = [module for module in network.stages.modules() if isinstance(module, nn.Conv2d)]
    linear = [module for module in network.stages.modules() if isinstance(module, nn.Linear)]
    return [*convolutions[1:], *linear, *([] if network.exact_maps else [network.head])]


def _ranges(
    network: TransferNetwork, layers: list[nn.Module], examples: Iterable[Tensor]
) -> dict[nn.Module, tuple[float, float]]:
    """Lowest and highest input of each layer, and output of the last stage; 0 is always between them."""
    import torch

    found: dict[nn.Module, tuple[float, float]] = {}

    def note(module: nn.Module, values: Tensor) -> None:
        low, high = found.get(module, (0.0, 0.0))
        found[module] = min(low, float(values.min())), max(high, float(values.max()))

    handles = [layer.register_forward_pre_hook(lambda module, given: note(module, given[0])) for layer in layers]
    handles.append(network.stages[-1].register_forward_hook(lambda module, _, output: note(module, output)))
    try:
        with torch.inference_mode():
            for batch in examples:
                network(batch)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _rounding_input(low: float, high: float) -> Callable[[nn.Module, Any], Any]:
    return lambda module, given: (round_activation(given[0], low, high), *given[1:])


def _rounding_output(low: float, high: float) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    return lambda module, given, output: round_activation(output, low, high)
