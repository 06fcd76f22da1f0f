"""Maps of what in photos led a network to a class, by four methods, for any network of the zoo.

A map has a value for each place of a photo, in rows and columns of the method's own: those of the last feature maps or
the pixels. What a value means:

============================ ======== ====== ============================================================
method                       places   sign   unit and meaning
============================ ======== ====== ============================================================
``class_activation``         of maps  ±      logit; the mean of a map, plus the bias of the class, is the logit
``grad_cam``                 of maps  ≥ 0    logit for each place; of evidence against the class nothing is left
``saliency``                 pixels   ≥ 0    logit for each unit of the network's input, whichever way it moves
``integrated_gradients``     pixels   ±      logit; the sum of a map is the logit less that of the baseline
============================ ======== ====== ============================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.errors import UserError
from quality_gate.explanation.class_activation import class_activation_map

if TYPE_CHECKING:
    from torch import Tensor

    from quality_gate.explanation.settings import ExplanationSettings, Method
    from quality_gate.models.zoo import TransferNetwork
    from quality_gate.preprocess import PreprocessingSpec


def explain(
    network: TransferNetwork,
    photos: Tensor,
    targets: Sequence[int],
    settings: ExplanationSettings,
    spec: PreprocessingSpec,
) -> NDArray[np.float64]:
    """What in each photo led to a class.

    Args:
        network: of the zoo, in evaluation mode; it is left as it is.
        photos: its input, float, shape (N, 3, S, S).
        targets: the class of each photo, by its index.
        settings: the method, and what it needs.
        spec: how the photos were normalised; it says what black is.

    Returns:
        Shape (N, h, w); places, sign and unit are those of the method, see the module.

    Raises:
        UserError: the network has not what the method needs; the message names one that works.
        ValueError: photos and targets do not fit each other or the network.
    """
    classes = network.head.out_features
    if len(targets) != len(photos) or not all(0 <= target < classes for target in targets):
        raise ValueError(f"{len(targets)} targets for {len(photos)} photos; expected one each, in 0..{classes - 1}")
    if settings.method == "class_activation":
        return _class_activation(network, photos, targets)
    if settings.method == "grad_cam":
        return _grad_cam(network, photos, targets)
    if settings.method == "saliency":
        return _saliency(network, photos, targets)
    from quality_gate.explanation.integration import baseline, integrate

    return integrate(network, photos, baseline(photos, settings.baseline, spec), targets, most_steps=settings.steps)


def fitting_method(network: TransferNetwork, wanted: Method) -> Method:
    """The method that is wanted, or Grad-CAM where a network has no exact class activation maps."""
    return "grad_cam" if wanted == "class_activation" and not network.exact_maps else wanted


def _class_activation(network: TransferNetwork, photos: Tensor, targets: Sequence[int]) -> NDArray[np.float64]:
    """Zhou et al. 2016, "Learning deep features for discriminative localization"."""
    import torch

    if not network.exact_maps:
        raise UserError(
            "class_activation needs a network that ends in an average of feature maps and a linear layer, and this one "
            "does not; take grad_cam."
        )
    with torch.inference_mode():
        maps = network.tail(network.trunk(photos)).cpu().numpy()
    weight = network.head.weight.detach().cpu().numpy()
    return np.stack([class_activation_map(one, weight, target) for one, target in zip(maps, targets, strict=True)])


def _grad_cam(network: TransferNetwork, photos: Tensor, targets: Sequence[int]) -> NDArray[np.float64]:
    """Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based localization"."""
    import torch

    from quality_gate.models.map_layer import map_layer

    layer = map_layer(network, photos[:1])
    outputs: list[Tensor] = []
    handle = layer.module.register_forward_hook(lambda module, given, output: outputs.append(output))
    try:
        # The photos ask for gradients, in case that the parameters of the network are frozen.
        logits = network(photos.detach().clone().requires_grad_())
    finally:
        handle.remove()
    chosen = logits[torch.arange(len(photos)), torch.as_tensor(targets)].sum()
    (gradient,) = torch.autograd.grad(chosen, outputs[-1])
    maps, gradients = layer.as_maps(outputs[-1].detach()), layer.as_maps(gradient)
    return _float64((gradients.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1).relu())


def _saliency(network: TransferNetwork, photos: Tensor, targets: Sequence[int]) -> NDArray[np.float64]:
    """Simonyan et al. 2014, "Deep inside convolutional networks": of the three channels of a pixel the strongest."""
    from captum.attr import Saliency

    gradients = Saliency(network).attribute(photos.detach().clone().requires_grad_(), target=list(targets))
    return _float64(gradients.amax(dim=1))


def _float64(maps: Tensor) -> NDArray[np.float64]:
    result: NDArray[np.float64] = maps.detach().cpu().numpy().astype(np.float64)
    return result
