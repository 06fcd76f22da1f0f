import pytest
import torch

from quality_gate.errors import UserError
from quality_gate.models.zoo import architecture, assemble
from quality_gate.preprocess import PreprocessingSpec

NAMES = ("efficientnet_lite0", "resnet18")


@pytest.fixture(scope="module", params=NAMES)
def arch(request):
    return architecture(request.param)


@pytest.fixture(scope="module")
def photos():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_a_backbone_the_zoo_lacks_is_named_with_those_it_has():
    with pytest.raises(UserError, match=r"transfer\.model is 'resnet1'; the zoo has efficientnet_lite0, resnet18\."):
        architecture("resnet1")


def test_the_input_statistics_are_a_valid_preprocessing(arch):
    spec = PreprocessingSpec(224, ("crop",), arch.mean, arch.std)
    assert all(0 < value < 1 for value in (*spec.mean, *spec.std))


def test_the_parts_put_together_are_the_backbone(arch, photos):
    torch.manual_seed(0)
    backbone = arch.build().eval()
    network = assemble(backbone, arch, 1000).eval()
    classifier = backbone.get_submodule("classifier" if arch.name == "efficientnet_lite0" else "fc")
    network.head.load_state_dict(classifier.state_dict())

    with torch.inference_mode():
        torch.testing.assert_close(network(photos), backbone(photos), rtol=0, atol=1e-5)


def test_the_features_are_those_the_head_takes(arch, photos):
    network = assemble(arch.build(), arch, 3).eval()

    with torch.inference_mode():
        activations = network.trunk(photos)
        features = network.features(activations)
        assert features.shape == (2, arch.feature_dim)
        torch.testing.assert_close(network.head(features), network(photos))
        torch.testing.assert_close(network.tail_and_head()(activations), network(photos))
    assert network(photos).shape == (2, 3)


def test_what_is_fine_tuned_shares_its_parameters_with_the_network_and_none_with_the_trunk(arch):
    network = assemble(arch.build(), arch, 3)
    tuned = {parameter.data_ptr() for parameter in network.tail_and_head().parameters()}
    frozen = {parameter.data_ptr() for parameter in network.trunk.parameters()}

    assert tuned | frozen == {parameter.data_ptr() for parameter in network.parameters()}
    assert tuned & frozen == set()
    assert len(tuned) > 2
