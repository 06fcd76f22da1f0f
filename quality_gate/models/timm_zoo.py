"""Any image network of timm, by its name."""

from __future__ import annotations

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from quality_gate.errors import UserError
from quality_gate.models.zoo import TIMM_PREFIX, Architecture


class FeatureMaps(nn.Module):
    """A timm network up to its feature maps: photos (N, 3, S, S) to maps (N, F, h, w)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        model.reset_classifier(0)
        self.model = model

    def forward(self, photos: Tensor) -> Tensor:
        """Feature maps of photos; networks that keep their channels last are turned."""
        model: Any = self.model
        maps: Tensor = model.forward_features(photos)
        return maps.permute(0, 3, 1, 2) if getattr(model, "output_fmt", "NCHW") == "NHWC" else maps


class PooledFeatures(nn.Module):
    """A timm network that pools tokens in its own way: photos (N, 3, S, S) to maps (N, F, 1, 1)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        model.reset_classifier(0)
        self.model = model

    def forward(self, photos: Tensor) -> Tensor:
        """Features of the penultimate layer, as maps of one pixel."""
        model: Any = self.model
        features: Tensor = model.forward_head(model.forward_features(photos), pre_logits=True)
        return features[:, :, None, None]


def timm_architecture(name: str) -> Architecture:
    """The architecture behind ``timm:NAME``: one stage, frozen where the settings do not say otherwise.

    Where the network gives feature maps they are averaged and all layers behind them are left out, whatever timm's
    own classifier does; else the features are those timm's classifier takes.

    Args:
        name: with its prefix; the part behind it may carry the tag of the weights, as in ``timm:resnet50.a1_in1k``.

    Raises:
        UserError: timm has no such network or no weights of this tag.
    """
    import timm

    model_name = name.removeprefix(TIMM_PREFIX)
    if not timm.is_model(model_name):
        raise _unknown(name, timm.list_models(), model_name)
    try:
        source = timm.get_pretrained_cfg(model_name)
    except RuntimeError:
        raise _unknown(name, timm.list_pretrained(f"{model_name.split('.')[0]}.*"), model_name) from None
    if source is None:
        raise UserError(f"transfer.model is {name!r}; timm has no pretrained weights of it: name another network.")

    def build() -> nn.Module:
        model: nn.Module = timm.create_model(model_name, pretrained=False)
        return model

    with torch.device("meta"), torch.inference_mode():
        model: Any = build().eval()
        maps = model.forward_features(torch.zeros(1, *source.input_size))
        exact = isinstance(maps, Tensor) and maps.ndim == 4
        wrapper = FeatureMaps if exact else PooledFeatures
        feature_dim = wrapper(model)(torch.zeros(1, *source.input_size)).shape[1]
    mean, std = ((values[0], values[1], values[2]) for values in (source.mean, source.std))
    return Architecture(name, mean, std, build, lambda model: [wrapper(model)], 0, feature_dim, exact_maps=exact)


def _unknown(name: str, known: list[str], wanted: str) -> UserError:
    near = difflib.get_close_matches(wanted, known, n=4, cutoff=0.5)
    hint = f"near it lie {', '.join(TIMM_PREFIX + other for other in near)}" if near else "see timm.list_models()"
    return UserError(f"transfer.model is {name!r}; timm has no such network: {hint}.")
