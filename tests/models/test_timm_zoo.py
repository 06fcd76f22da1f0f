import pytest
import torch

from quality_gate.errors import UserError
from quality_gate.models.zoo import architecture, assemble, require_size

# Convolutions, attention with class token, windows with channels last, two scales at once.
NETWORKS = ("test_resnet", "test_vit", "swin_tiny_patch4_window7_224", "crossvit_9_240")
MAPS = {"test_resnet", "swin_tiny_patch4_window7_224"}


@pytest.fixture(scope="module", params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def built(name):
    """Architecture, timm's own network with its classifier, ours of the same weights, and photos they take."""
    import timm

    arch = architecture(f"timm:{name}")
    torch.manual_seed(0)
    original = arch.build().eval()
    copy = arch.build()
    copy.load_state_dict(original.state_dict())
    _, height, width = timm.get_pretrained_cfg(name).input_size
    photos = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    return arch, original, assemble(copy, arch, 3).eval(), photos


def test_a_network_of_timm_gives_the_features_timm_gives_its_own_classifier(built):
    arch, original, network, photos = built

    with torch.inference_mode():
        expected = original.forward_head(original.forward_features(photos), pre_logits=True)
        torch.testing.assert_close(network.features(network.trunk(photos)), expected, rtol=1e-4, atol=1e-4)
    assert expected.shape[1] == arch.feature_dim


def test_class_activation_maps_are_exact_where_the_network_has_maps(built, name):
    _, _, network, photos = built
    assert network.exact_maps is (name in MAPS)

    with torch.inference_mode():
        maps = network.tail(network.trunk(photos))
        shares = torch.einsum("nfhw,cf->nchw", maps, network.head.weight)
        torch.testing.assert_close(shares.mean(dim=(2, 3)) + network.head.bias, network(photos))
    assert (maps.shape[2] > 1) is network.exact_maps


def test_hidden_layers_behind_the_maps_are_left_out():
    arch = architecture("timm:mobilenetv3_small_050")
    network = assemble(arch.build(), arch, 3).eval()

    assert arch.feature_dim == network.head.in_features == 288
    assert network.exact_maps


def test_its_single_stage_is_frozen_or_tuned_as_a_whole():
    arch = architecture("timm:test_resnet")

    frozen, tuned = (assemble(arch.build(), arch, 3, count) for count in (None, 1))

    assert [len(list(part.parameters())) > 0 for part in (frozen.trunk, frozen.tail)] == [True, False]
    assert [len(list(part.parameters())) > 0 for part in (tuned.trunk, tuned.tail)] == [False, True]
    with pytest.raises(UserError, match="has 1 stages"):
        assemble(arch.build(), arch, 3, 2)


def test_the_statistics_of_the_photos_are_those_of_the_weights():
    assert architecture("timm:test_vit").mean == (0.5, 0.5, 0.5)
    assert architecture("timm:resnet50.a1_in1k").mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("timm:resnet5", r"near it lie timm:resnet50, "),
        ("timm:resnet50.nonsense", r"near it lie timm:resnet50\."),
        ("timm:", r"see timm\.list_models\(\)"),
        ("timm:../../secret", r"see timm\.list_models\(\)"),
        ("timm:timm/resnet50", r"near it lie timm:"),
    ],
)
def test_an_unknown_name_is_told_with_those_near_it(name, hint):
    with pytest.raises(UserError, match=hint) as error:
        architecture(name)
    assert error.value.message.startswith(f"transfer.model is {name!r}; timm has no such network: ")
    assert "\n" not in error.value.message


def test_photos_of_a_size_the_network_does_not_take_are_told():
    arch = architecture("timm:vit_tiny_patch16_224")

    require_size(arch, 224)
    with pytest.raises(
        UserError, match=r"transfer\.size is 240; timm:vit_tiny_patch16_224 takes photos of another size \("
    ) as error:
        require_size(arch, 240)
    assert "\n" not in error.value.message
