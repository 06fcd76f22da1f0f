import torch

from quality_gate.models.compact_cnn import compact_cnn
from quality_gate.models.zoo import architecture, assemble


def test_photos_of_32_pixels_become_maps_of_4():
    assert compact_cnn().eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 256, 4, 4)


def test_it_is_small_and_says_that_it_is_not_pretrained():
    arch = architecture("compact_cnn")
    network = assemble(arch.build(), arch, 10)
    assert sum(parameter.numel() for parameter in network.parameters()) < 1_200_000
    assert not arch.pretrained
    assert len(network.trunk) == 0
