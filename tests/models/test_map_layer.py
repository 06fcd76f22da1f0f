import pytest
import torch
from torch import nn

from quality_gate.errors import UserError
from quality_gate.models.map_layer import MapLayer, map_layer
from quality_gate.models.zoo import TransferNetwork, architecture, assemble


def network_of_timm(name, size):
    torch.manual_seed(0)
    arch = architecture(f"timm:{name}")
    return assemble(arch.build(), arch, 3).eval(), torch.randn(1, 3, size, size)


def output_and_gradient(layer, network, photo):
    seen = []
    handle = layer.module.register_forward_hook(lambda module, given, output: seen.append(output))
    logits = network(photo)
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, 0], seen[-1])
    return layer.as_maps(seen[-1]), layer.as_maps(gradient)


def test_maps_that_are_averaged_are_those_of_the_last_stage():
    network, photo = network_of_timm("test_resnet", 64)
    layer = map_layer(network, photo)
    assert layer == MapLayer(network.stages[-1])
    maps, _ = output_and_gradient(layer, network, photo)
    assert maps.shape == (1, network.head.in_features, 2, 2)


def test_of_a_transformer_places_are_taken_where_they_still_reach_the_token_that_answers():
    # Not the size of its weights: the network cuts every photo into patches of 16 pixels.
    network, photo = network_of_timm("test_vit", 96)
    layer = map_layer(network, photo)
    assert layer.module is network.stages[-1].model.blocks[-1].norm1
    maps, gradient = output_and_gradient(layer, network, photo)
    assert maps.shape == (1, 64, 6, 6)
    assert (gradient.abs().sum(dim=1) > 0).all()


def test_tokens_are_laid_out_as_the_places_they_stand_for():
    network, photo = network_of_timm("test_vit", 160)
    layer = map_layer(network, photo)
    changed = photo.clone()
    # The third patch of the second row.
    changed[:, :, 16:32, 32:48] += 1
    with torch.inference_mode():
        patches = network.stages[-1].model.patch_embed
        difference = (patches(changed) - patches(photo)).abs().reshape(1, 100, -1)
    of_whole = torch.zeros(1, 1, difference.shape[2])
    places = layer.as_maps(torch.cat([of_whole, difference], dim=1)).sum(dim=1)
    assert places.nonzero().tolist() == [[0, 1, 2]]


def test_elsewhere_the_last_convolution_with_more_than_one_place_is_taken():
    convolutions = [
        nn.Conv2d(3, 4, 3, stride=2),
        nn.Conv2d(4, 4, 3, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(4, 5, 1),
    ]
    network = TransferNetwork(convolutions, 1, 5, 3, exact_maps=False).eval()
    layer = map_layer(network, torch.randn(1, 3, 16, 16))
    assert layer == MapLayer(network.stages[1])
    maps, gradient = output_and_gradient(layer, network, torch.randn(1, 3, 16, 16))
    assert maps.shape == gradient.shape == (1, 4, 3, 3)


def test_a_network_in_which_no_layer_tells_places_apart_is_told_what_to_take_instead():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.Unflatten(1, (5, 1, 1)))
    network = TransferNetwork([flat], 1, 5, 3, exact_maps=False).eval()
    with pytest.raises(UserError, match="take saliency or integrated_gradients"):
        map_layer(network, torch.randn(1, 3, 4, 4))
