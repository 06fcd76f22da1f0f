import pytest
import torch

from quality_gate.errors import UserError
from quality_gate.models.zoo import architecture, assemble, require_size
from quality_gate.preprocess import PreprocessingSpec
from quality_gate.transfer_settings import MODELS

CLASSIFIERS = {
    "efficientnet_lite0": "classifier",
    "efficientnet_b0": "classifier.1",
    "resnet18": "fc",
    "resnet50": "fc",
}


@pytest.fixture(scope="module", params=MODELS)
def arch(request):
    return architecture(request.param)


@pytest.fixture(scope="module")
def photos():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_a_backbone_the_zoo_lacks_is_named_with_those_it_has():
    with pytest.raises(
        UserError, match=r"transfer\.model is 'resnet1'; the zoo has compact_cnn, .*efficientnet_b0, .*, resnet50, and "
    ):
        architecture("resnet1")


def test_the_input_statistics_are_a_valid_preprocessing(arch):
    spec = PreprocessingSpec(224, ("crop",), arch.mean, arch.std)
    assert all(0 < value < 1 for value in (*spec.mean, *spec.std))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_parts_put_together_are_the_backbone(name, photos):
    arch = architecture(name)
    torch.manual_seed(0)
    backbone = arch.build().eval()
    network = assemble(backbone, arch, 1000).eval()
    network.head.load_state_dict(backbone.get_submodule(CLASSIFIERS[name]).state_dict())

    with torch.inference_mode():
        torch.testing.assert_close(network(photos), backbone(photos), rtol=0, atol=1e-4)


def test_the_features_of_mobilenet_are_its_pooled_maps_before_the_hidden_layer(photos):
    arch = architecture("mobilenet_v3_small")
    backbone = arch.build().eval()
    network = assemble(backbone, arch, 3).eval()

    with torch.inference_mode():
        expected = backbone.avgpool(backbone.features(photos)).flatten(1)
        torch.testing.assert_close(network.features(network.trunk(photos)), expected)
    assert expected.shape == (2, 576)


def test_the_features_are_those_the_head_takes(arch, photos):
    network = assemble(arch.build(), arch, 3).eval()

    with torch.inference_mode():
        activations = network.trunk(photos)
        features = network.features(activations)
        assert features.shape == (2, arch.feature_dim)
        torch.testing.assert_close(network.head(features), network(photos))
        torch.testing.assert_close(network.tail_and_head()(activations), network(photos))
    assert network(photos).shape == (2, 3)


def test_the_logits_are_the_mean_of_the_maps_weighted_by_the_head(arch, photos):
    network = assemble(arch.build(), arch, 3).eval()
    assert network.exact_maps

    with torch.inference_mode():
        maps = network.tail(network.trunk(photos))
        shares = torch.einsum("nfhw,cf->nchw", maps, network.head.weight)
        torch.testing.assert_close(shares.mean(dim=(2, 3)) + network.head.bias, network(photos))


@pytest.mark.parametrize("tuned", [0, 1, None, "all"])
def test_what_is_fine_tuned_shares_its_parameters_with_the_network_and_none_with_the_trunk(arch, tuned, photos):
    backbone = arch.build()
    stages = len(arch.stages(backbone))
    network = assemble(backbone, arch, 3, stages if tuned == "all" else tuned).eval()
    learns = {parameter.data_ptr() for parameter in network.tail_and_head().parameters()}
    frozen = {parameter.data_ptr() for parameter in network.trunk.parameters()}

    assert learns | frozen == {parameter.data_ptr() for parameter in network.parameters()}
    assert learns & frozen == set()
    expected = {0: 0, 1: 1, None: arch.tuned, "all": stages}[tuned]
    assert (len(network.tail), len(network.trunk)) == (expected, stages - expected)
    with torch.inference_mode():
        torch.testing.assert_close(network.tail_and_head()(network.trunk(photos)), network(photos))


def test_where_trunk_and_tail_part_changes_no_name_of_a_tensor(arch):
    names = [list(assemble(arch.build(), arch, 3, tuned).state_dict()) for tuned in (0, 1, None)]

    assert names[0] == names[1] == names[2]


def test_more_stages_than_there_are_cannot_be_tuned():
    arch = architecture("resnet18")

    with pytest.raises(UserError, match=r"transfer\.finetune_stages is 5; resnet18 has 4 stages: "):
        assemble(arch.build(), arch, 3, 5)


@pytest.mark.parametrize("size", [32, 224, 512])
def test_every_backbone_of_the_zoo_takes_photos_of_every_size(arch, size):
    require_size(arch, size)
    # Shapes alone, without computing anything.
    network = assemble(arch.build(), arch, 3).eval().to("meta")
    assert network(torch.zeros(1, 3, size, size, device="meta")).shape == (1, 3)
