"""What is said of maps to those who look at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from quality_gate.explanation.settings import Method


@dataclass(frozen=True)
class Note:
    """What a method is.

    Attributes:
        name: for people.
        light: what a light place is, as the end of "light …".
        meaning: sentences: what the maps are, and whose method it is.
    """

    name: str
    light: str
    meaning: str


NOTES: Mapping[Method, Note] = MappingProxyType(
    {
        "class_activation": Note(
            "Class activation",
            "where a place spoke for the class, grey where it did not",
            "These are class activation maps (Zhou et al. 2016), exact for this network: a map's mean and the bias of "
            "the class make its logit.",
        ),
        "grad_cam": Note(
            "Grad-CAM",
            "where a place spoke for the class, grey where it did not",
            "These are Grad-CAM maps (Selvaraju et al. 2017): the last layer that tells places apart, each of its "
            "features weighed by how much it moves the logit of the class.",
        ),
        "saliency": Note(
            "Saliency",
            "where a small change of a pixel would move the logit of the class most, up or down",
            "These are saliency maps (Simonyan et al. 2014): they say where the network is sensitive, not what spoke "
            "for the class.",
        ),
        "integrated_gradients": Note(
            "Integrated gradients",
            "where pixels spoke for the class, grey where they did not",
            "These are integrated gradients (Sundararajan et al. 2017): what each pixel adds to the logit on the way "
            "from a photo without evidence (explanation.baseline) to this one; together they make up the difference.",
        ),
    }
)
