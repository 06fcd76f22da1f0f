"""The networks by name, each in three parts: a trunk that stays frozen, a tail that is fine-tuned, a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from quality_gate.errors import UserError


class TransferNetwork(nn.Module):
    """A classifier that ends in global average pooling and one linear layer.

    Args:
        trunk: photos (N, 3, S, S) to activations; frozen while fine-tuning.
        tail: activations to feature maps (N, F, h, w); the last blocks of the backbone.
        feature_dim: channels F of the feature maps.
        n_classes: logits of the head.
    """

    def __init__(self, trunk: nn.Module, tail: nn.Module, feature_dim: int, n_classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.tail = tail
        self.pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(feature_dim, n_classes)

    def forward(self, photos: Tensor) -> Tensor:
        """Logits (N, classes) of photos (N, 3, S, S)."""
        logits: Tensor = self.head(self.features(self.trunk(photos)))
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
        cut: parts the backbone into trunk and tail.
        feature_dim: channels of the last feature maps.
    """

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    build: Callable[[], nn.Module]
    cut: Callable[[nn.Module], tuple[nn.Module, nn.Module]]
    feature_dim: int


def architecture(name: str) -> Architecture:
    """Look a backbone up.

    Raises:
        UserError: the zoo has no such backbone.
    """
    known = {
        "efficientnet_lite0": Architecture(
            "efficientnet_lite0", (127 / 255,) * 3, (128 / 255,) * 3, _efficientnet_lite0, _cut_efficientnet, 1280
        ),
        "resnet18": Architecture("resnet18", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), _resnet18, _cut_resnet, 512),
    }
    if name not in known:
        raise UserError(f"transfer.model is {name!r}; the zoo has {', '.join(sorted(known))}.")
    return known[name]


def assemble(backbone: nn.Module, arch: Architecture, n_classes: int) -> TransferNetwork:
    """Turn a backbone into a classifier with a new head."""
    trunk, tail = arch.cut(backbone)
    return TransferNetwork(trunk, tail, arch.feature_dim, n_classes)


def _efficientnet_lite0() -> nn.Module:
    import timm

    # The `tf_` variant has the padding and batch-norm epsilon the packaged weights were trained with.
    model: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    return model


def _cut_efficientnet(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    return (
        _chain(model, "conv_stem", "bn1", *(f"blocks.{stage}" for stage in range(5))),
        _chain(model, "blocks.5", "blocks.6", "conv_head", "bn2"),
    )


def _resnet18() -> nn.Module:
    import torchvision

    model: nn.Module = torchvision.models.resnet18(weights=None)
    return model


def _cut_resnet(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    return (
        _chain(model, "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"),
        _chain(model, "layer4"),
    )


def _chain(model: nn.Module, *parts: str) -> nn.Sequential:
    return nn.Sequential(*(model.get_submodule(part) for part in parts))
