"""Accept or review: the certificate decides, and what a request or the operator adds can only make it stricter."""

from dataclasses import dataclass, replace

from bentos.refusals import unusable
from bentos.settings import Costs
from quality_gate.errors import UserError
from quality_gate.inference import Decision
from quality_gate.models.manifest import ModelManifest


@dataclass(frozen=True)
class Router:
    """Where answers go.

    Attributes:
        manifest: of the model; holds the certificate.
        costs: of wrong answers and of reviews; None where only the certificate counts.

    Raises:
        UserError: the costs name a label the model does not know.
    """

    manifest: ModelManifest
    costs: Costs | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.costs.wrong if self.costs else ()) - set(self.manifest.classes))
        if unknown:
            known = ", ".join(self.manifest.classes)
            raise UserError(f"QUALITY_GATE_COSTS: wrong: {unknown[0]!r} is no label of the model; it knows {known}.")

    @property
    def certified(self) -> float | None:
        """The confidence from which an answer may be accepted, in 0..1; None: never."""
        return self.manifest.routing.threshold if self.manifest.routing else None

    def threshold(self, asked: str | None) -> float | None:
        """The threshold of one request.

        Args:
            asked: what the request asks for; None for the certified one.

        Returns:
            The confidence from which its answers are accepted, in 0..1; None: all go to review.

        Raises:
            Refusal: 422, it is no number in 0..1, or below the certified one.
        """
        if asked is None:
            return self.certified
        try:
            value = float(asked)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise unusable("threshold: expected a number from 0 to 1.")
        if self.certified is None:
            return None
        if value < self.certified:
            raise unusable(
                f"threshold: {value:g} is below the certified threshold {self.certified:.6g}; "
                "a request may only raise it."
            )
        return value

    def route(self, decision: Decision, threshold: float | None) -> Decision:
        """The answer with its way under the threshold of its request, never a laxer one than its own."""
        accepted = (
            decision.decision == "accept"
            and threshold is not None
            and decision.confidence >= threshold
            and self._worth_accepting(decision)
        )
        return replace(decision, decision="accept" if accepted else "review")

    def _worth_accepting(self, decision: Decision) -> bool:
        if self.costs is None:
            return True
        return (1 - decision.confidence) * self.costs.wrong.get(decision.label, 0.0) <= self.costs.review
