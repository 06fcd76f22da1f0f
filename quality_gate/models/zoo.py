"""The networks by name: the stages of a backbone, global average pooling, one linear layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from quality_gate.errors import UserError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TIMM_PREFIX = "timm:"


class TransferNetwork(nn.Module):
    """A classifier that ends in global average pooling and one linear layer.

    Its last stages form the tail, which is fine-tuned; those before them form the trunk, which stays frozen. The names
    of its tensors do not depend on where the two part.

    Args:
        stages: of the backbone, from input to output: photos (N, 3, S, S) to feature maps (N, F, h, w).
        tuned: how many of the last stages form the tail.
        feature_dim: channels F of the feature maps.
        n_classes: logits of the head.
        exact_maps: see the attribute.

    Attributes:
        exact_maps: whether the logits are the mean over the feature maps of head weight × map, plus the bias, so that
            class activation maps (Zhou et al. 2016) are exact; false where the backbone pools in its own way and its
            maps are features of one pixel.
    """

    def __init__(
        self, stages: Sequence[nn.Module], tuned: int, feature_dim: int, n_classes: int, exact_maps: bool = True
    ) -> None:
        super().__init__()
        self.exact_maps = exact_maps
        self._cut = len(stages) - tuned
        self.stages = nn.ModuleList(stages)
        self.pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(feature_dim, n_classes)

    @property
    def trunk(self) -> nn.Sequential:
        """The frozen stages: photos (N, 3, S, S) to activations."""
        return nn.Sequential(*self.stages[: self._cut])

    @property
    def tail(self) -> nn.Sequential:
        """The fine-tuned stages: activations to feature maps (N, F, h, w)."""
        return nn.Sequential(*self.stages[self._cut :])

    def forward(self, photos: Tensor) -> Tensor:
        """Logits (N, classes) of photos (N, 3, S, S)."""
        maps = photos
        for stage in self.stages:
            maps = stage(maps)
        logits: Tensor = self.head(self.pooling(maps))
        return logits

    def features(self, activations: Tensor) -> Tensor:
        """Features (N, F) of what the trunk gave: the tail's maps, averaged."""
        pooled: Tensor = self.pooling(self.tail(activations))
        return pooled

    def tail_and_head(self) -> nn.Sequential:
        """The part that is fine-tuned, sharing its parameters: activations to logits."""
        return nn.Sequential(self.tail, self.pooling, self.head)


@dataclass(frozen=True)
class Architecture:
    """A backbone of the zoo.

    Attributes:
        name: how settings call it.
        mean: channel means its ImageNet weights were trained with, in 0..1.
        std: channel standard deviations, in 0..1.
        build: makes the untrained backbone with the attribute names of its published weights.
        stages: parts the backbone, from input to output; its classifier is left out.
        tuned: how many of the last stages are fine-tuned where the settings do not say.
        feature_dim: channels of the last feature maps.
        exact_maps: see :class:`TransferNetwork`.
        weights_url: where its ImageNet weights are published, with the start of their SHA-256 in the file's name; None
            where they come in another way.
        weights_by_order: whether the tensors of its weights have other names, in the order of the backbone's.
        pretrained: false where no weights are published: all of it learns, from random ones.
    """

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    build: Callable[[], nn.Module]
    stages: Callable[[nn.Module], Sequence[nn.Module]]
    tuned: int
    feature_dim: int
    exact_maps: bool = True
    weights_url: str | None = None
    weights_by_order: bool = False
    pretrained: bool = True


def architecture(name: str) -> Architecture:
    """Look a backbone up: one of the zoo's own, or ``timm:NAME`` for any image network of timm.

    Raises:
        UserError: there is no such backbone.
    """
    if name.startswith(TIMM_PREFIX):
        from quality_gate.models.timm_zoo import timm_architecture

        return timm_architecture(name)
    plain, _, part = name.partition("/")
    if plain == "compact_cnn" and part.isdigit():
        return _reduced(_compact_cnn(), int(part))
    if name not in _ZOO:
        known = ", ".join(sorted(_ZOO))
        raise UserError(f"transfer.model is {name!r}; the zoo has {known}, and timm:NAME for any network of timm.")
    return _ZOO[name]()


def assemble(backbone: nn.Module, arch: Architecture, n_classes: int, tuned: int | None = None) -> TransferNetwork:
    """Turn a backbone into a classifier with a new head.

    Args:
        backbone: made by ``arch.build``; its modules are used, not copied.
        arch: the backbone's architecture.
        n_classes: logits of the head.
        tuned: how many of the last stages form the tail; None takes the architecture's own number.

    Raises:
        UserError: the backbone has fewer stages.
    """
    stages = arch.stages(backbone)
    if tuned is not None and tuned > len(stages):
        raise UserError(
            f"transfer.finetune_stages is {tuned}; {arch.name} has {len(stages)} stages: name at most as many."
        )
    return TransferNetwork(stages, arch.tuned if tuned is None else tuned, arch.feature_dim, n_classes, arch.exact_maps)


def require_size(arch: Architecture, size: int) -> None:
    """Make sure that photos of a size fit the backbone, without computing anything.

    Args:
        arch: the backbone's architecture.
        size: edge of the photos, in pixels.

    Raises:
        UserError: its weights belong to photos of another size.
    """
    try:
        with torch.device("meta"), torch.inference_mode():
            assemble(arch.build(), arch, 2).eval()(torch.zeros(1, 3, size, size))
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise UserError(f"transfer.size is {size}; {arch.name} takes photos of another size ({reason}).") from None


def _compact_cnn() -> Architecture:
    from quality_gate.models.compact_cnn import WIDTHS, compact_cnn

    # How photos are normalised is measured on those it learns from.
    return Architecture(
        "compact_cnn", (0.5,) * 3, (0.25,) * 3, compact_cnn, _children, len(WIDTHS), WIDTHS[-1], pretrained=False
    )


def _reduced(arch: Architecture, part: int) -> Architecture:
    """The same network on photos of which each block of so many pixels an edge has become one, their mean."""

    def stages(backbone: nn.Module) -> Sequence[nn.Module]:
        first, *others = arch.stages(backbone)
        return [nn.Sequential(nn.AvgPool2d(part), first), *others]

    return replace(arch, name=f"{arch.name}/{part}", stages=stages)


def _efficientnet_lite0() -> Architecture:
    def build() -> nn.Module:
        import timm

        # The `tf_` variant has the padding and batch-norm epsilon the packaged weights were trained with.
        model: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        return model

    stages = _named_stages(
        "conv_stem bn1 blocks.0", *(f"blocks.{stage}" for stage in range(1, 6)), "blocks.6 conv_head bn2"
    )
    return Architecture(
        "efficientnet_lite0", (127 / 255,) * 3, (128 / 255,) * 3, build, stages, 2, 1280, weights_by_order=True
    )


def _resnet18() -> Architecture:
    from torchvision.models import ResNet18_Weights, resnet18

    return _of_torchvision("resnet18", resnet18, ResNet18_Weights.IMAGENET1K_V1.url, _RESNET, 1, 512)


def _resnet50() -> Architecture:
    from torchvision.models import ResNet50_Weights, resnet50

    # Not V2: what raises ImageNet accuracy there, label smoothing and mixup, makes features that transfer worse
    # (Kornblith et al. 2021).
    return _of_torchvision("resnet50", resnet50, ResNet50_Weights.IMAGENET1K_V1.url, _RESNET, 1, 2048)


def _efficientnet_b0() -> Architecture:
    from torchvision.models import EfficientNet_B0_Weights, efficientnet_b0

    stages = ("features.0 features.1", *(f"features.{stage}" for stage in range(2, 7)), "features.7 features.8")
    url = EfficientNet_B0_Weights.IMAGENET1K_V1.url
    return _of_torchvision("efficientnet_b0", efficientnet_b0, url, stages, 2, 1280)


def _mobilenet_v3_small() -> Architecture:
    from torchvision.models import MobileNet_V3_Small_Weights, mobilenet_v3_small

    # One stage a resolution. The hidden layer of its classifier is left out: the head is to be linear in the maps.
    stages = tuple(
        " ".join(f"features.{place}" for place in places)
        for places in ((0,), (1,), (2, 3), (4, 5, 6, 7, 8), (9, 10, 11, 12))
    )
    url = MobileNet_V3_Small_Weights.IMAGENET1K_V1.url
    return _of_torchvision("mobilenet_v3_small", mobilenet_v3_small, url, stages, 1, 576)


_RESNET = ("conv1 bn1 relu maxpool layer1", "layer2", "layer3", "layer4")

_ZOO: dict[str, Callable[[], Architecture]] = {
    "compact_cnn": _compact_cnn,
    "efficientnet_b0": _efficientnet_b0,
    "efficientnet_lite0": _efficientnet_lite0,
    "mobilenet_v3_small": _mobilenet_v3_small,
    "resnet18": _resnet18,
    "resnet50": _resnet50,
}


def _of_torchvision(
    name: str, build: Callable[..., nn.Module], url: str, stages: Sequence[str], tuned: int, feature_dim: int
) -> Architecture:
    return Architecture(
        name,
        IMAGENET_MEAN,
        IMAGENET_STD,
        lambda: build(weights=None),
        _named_stages(*stages),
        tuned,
        feature_dim,
        weights_url=url,
    )


def _named_stages(*stages: str) -> Callable[[nn.Module], Sequence[nn.Module]]:
    """Parts a backbone into stages, each given by the names of its modules in order."""

    def part(model: nn.Module) -> Sequence[nn.Module]:
        return [nn.Sequential(*(model.get_submodule(name) for name in stage.split())) for stage in stages]

    return part


def _children(model: nn.Module) -> Sequence[nn.Module]:
    return list(model.children())
