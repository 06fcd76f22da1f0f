from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.refusals import Refusal
from bentos.routing import Router
from bentos.settings import Costs
from quality_gate.errors import UserError
from quality_gate.inference import Decision
from quality_gate.models.manifest import ModelManifest, RoutingCertificate
from quality_gate.preprocess import PreprocessingSpec

CERTIFICATE = RoutingCertificate(0.05, 0.1, 0.6, 0.8, 80, 1, 100, 0.0483)
SPEC = PreprocessingSpec(32, ("crop",), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
MANIFEST = ModelManifest("gate", "tiny", ("onion", "tomato"), SPEC, routing=CERTIFICATE)
WITHOUT = [replace(MANIFEST, routing=None), replace(MANIFEST, routing=replace(CERTIFICATE, threshold=None))]


def answer(confidence, label="tomato", manifest=MANIFEST):
    decision = manifest.routing.decide(confidence) if manifest.routing else "review"
    return Decision(label, confidence, {label: confidence}, decision, "gate:1")


def routed(router, confidence, asked=None, label="tomato"):
    return router.route(answer(confidence, label, router.manifest), router.threshold(asked)).decision


def test_without_more_the_certificate_decides():
    assert [routed(Router(MANIFEST), confidence) for confidence in (0.59, 0.6, 1.0)] == ["review", "accept", "accept"]


def test_a_request_may_raise_the_threshold():
    assert [routed(Router(MANIFEST), confidence, "0.9") for confidence in (0.89, 0.9)] == ["review", "accept"]
    assert routed(Router(MANIFEST), 0.6, "0.6") == "accept"


def test_a_request_may_not_lower_the_threshold():
    with pytest.raises(Refusal, match=r"0.59 is below the certified threshold 0\.6") as refused:
        Router(MANIFEST).threshold("0.59")
    assert refused.value.status == 422


@pytest.mark.parametrize("asked", ["", "high", "nan", "inf", "-0.1", "1.1", "1e999", "0x1"])
@pytest.mark.parametrize("manifest", [MANIFEST, *WITHOUT])
def test_what_is_no_share_is_refused(asked, manifest):
    with pytest.raises(Refusal, match="a number from 0 to 1"):
        Router(manifest).threshold(asked)


@pytest.mark.parametrize("manifest", WITHOUT)
@pytest.mark.parametrize("asked", [None, "0", "0.5"])
def test_without_a_certificate_everything_is_reviewed(manifest, asked):
    assert routed(Router(manifest), 1.0, asked) == "review"


def test_an_answer_whose_mistake_would_cost_more_than_a_review_is_reviewed():
    router = Router(MANIFEST, Costs(review=1, wrong={"tomato": 20}))

    assert routed(router, 0.94) == "review"
    assert routed(router, 0.96) == "accept"
    assert routed(router, 0.7, label="onion") == "accept"


def test_costs_of_an_unknown_label_are_told():
    with pytest.raises(UserError, match=r"QUALITY_GATE_COSTS: wrong: 'kiwi' is no label .* onion, tomato\."):
        Router(MANIFEST, Costs(review=1, wrong={"kiwi": 1}))


@given(
    confidence=st.floats(0, 1),
    asked=st.floats(0.6, 1).map(str) | st.none(),
    costs=st.none() | st.builds(lambda wrong: Costs(review=1, wrong={"tomato": wrong}), st.floats(0, 1e9)),
    manifest=st.sampled_from([MANIFEST, *WITHOUT]),
)
def test_nothing_a_request_or_the_costs_say_accepts_what_the_certificate_does_not(confidence, asked, costs, manifest):
    decision = routed(Router(manifest, costs), confidence, asked)

    assert decision == "review" or answer(confidence, manifest=manifest).decision == "accept"
