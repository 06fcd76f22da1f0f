"""The gate: every rule a model must fulfil to go into production, and what it says of a candidate."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import isnan
from typing import Any, Literal

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.power import duel_power
from quality_gate.evaluation.scores import ChampionComparison, CrossValidation, Evaluation, RollingTest, Scores
from quality_gate.evaluation.watched import too_few_to_claim
from quality_gate.evaluation.watched_scores import WatchedScores
from quality_gate.evaluation.wording import USUAL_PLACES, number, places_to_tell_apart
from quality_gate.settings import GateSettings
from quality_gate.step_value import StepValue

Direction = Literal["at least", "at most"]


@dataclass(frozen=True)
class RuleResult:
    """One row of the gate's table.

    Attributes:
        rule: what is demanded.
        measured: what was found; None where the rule does not apply or nothing could be computed.
        interval: 95% interval of what was found, where there is one.
        direction: which side of the limit is good.
        limit: the limit, as set.
        passed: None where the rule does not apply.
        note: why it does not apply, why nothing could be computed, or what to do.
    """

    rule: str
    measured: float | None
    interval: Interval | None
    direction: Direction
    limit: float
    passed: bool | None
    note: str = ""

    @property
    def places(self) -> int:
        """Decimals to write the row's figures with, so that none looks like the limit that is not."""
        return USUAL_PLACES if self.measured is None else places_to_tell_apart(self.measured, self.limit)

    @property
    def demanded(self) -> str:
        """The limit in words."""
        return f"{self.direction} {number(self.limit, self.places)}"

    @property
    def shortfall(self) -> str:
        """The failure in words: what was measured, against which limit, and by how much it misses."""
        if self.measured is None:
            return f"{self.rule}: {self.note}"
        measured, missed = number(self.measured, self.places), number(abs(self.measured - self.limit))
        return f"{self.rule} is {measured}, but {self.demanded} is demanded (missed by {missed})"

    def to_json(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return {**asdict(self), "interval": self.interval.to_json() if self.interval else None}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RuleResult:
        """Rebuild a row from :meth:`to_json`."""
        interval = values["interval"]
        return cls(**{**values, "interval": Interval.from_json(interval) if interval else None})


@dataclass(frozen=True)
class GateResult(StepValue):
    """What the gate says of a candidate.

    Attributes:
        rules: every rule, in the order of the table.
        warnings: a sentence each for what makes the verdict weaker than it looks; none of them stops a candidate.
    """

    rules: tuple[RuleResult, ...]
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no rule failed."""
        return all(rule.passed is not False for rule in self.rules)

    def sentence(self) -> str:
        """Which rules failed, and by how much."""
        return "; ".join(rule.shortfall for rule in self.rules if rule.passed is False)

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        rules = [rule.to_json() for rule in self.rules]
        return {"passed": self.passed, "rules": rules, "warnings": list(self.warnings)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> GateResult:
        """Rebuild a result from :meth:`to_json`."""
        # Entries of ledgers written before there were warnings have none.
        rules, warnings = values["rules"], values.get("warnings", [])
        return cls(tuple(RuleResult.from_json(rule) for rule in rules), tuple(warnings))


def apply_gate(evaluation: Evaluation, settings: GateSettings) -> GateResult:
    """Judge a candidate by every rule of ``settings``."""
    power = duel_power(evaluation, settings.non_inferiority_margin)
    watched = evaluation.watched
    warnings = (
        power.warning() if power else "",
        too_few_to_claim(watched.chosen, evaluation.routing.delta) if watched else "",
    )
    return GateResult(
        rules=(
            *_quality_rules(evaluation, settings),
            *_watched_rules(evaluation.watched, settings.min_watched_recall),
            *_baseline_rules(evaluation, settings),
            champion_rule(evaluation.champion, evaluation.classes, settings),
            *_coverage_rules(evaluation.champion, settings),
            *_rolling_rules(evaluation.rolling),
            limit_rule(
                "exported model equals trained", evaluation.export_difference, "at most", settings.max_export_difference
            ),
            limit_rule("model size (MB)", evaluation.model_mb, "at most", settings.max_model_mb),
            limit_rule("latency of one photo (ms)", evaluation.latency_ms, "at most", settings.max_latency_ms),
        ),
        warnings=tuple(warning for warning in warnings if warning),
    )


def _quality_rules(evaluation: Evaluation, settings: GateSettings) -> list[RuleResult]:
    """Floors and ceilings, held against cross-validation where there was one, and else against the test photos."""
    crossed = evaluation.cross_validation
    if crossed is None:
        return _score_rules(evaluation.candidate, evaluation.classes, settings)
    rules = _score_rules(crossed.candidate, evaluation.classes, settings)
    return [_cross_validated(rule, crossed) for rule in rules]


def _cross_validated(rule: RuleResult, crossed: CrossValidation) -> RuleResult:
    note = f"by cross-validation, {crossed.repeats} times {crossed.folds} folds of {crossed.photos:,} photos"
    return replace(rule, note=rule.note or note)


def _score_rules(scores: Scores, classes: tuple[str, ...], settings: GateSettings) -> list[RuleResult]:
    metrics, intervals = scores.metrics, scores.intervals
    rules = [limit_rule("macro F1", metrics.macro_f1, "at least", settings.min_macro_f1, intervals["macro_f1"])]
    for label in classes:
        recall = metrics.per_class[label].recall
        rules.append(
            limit_rule(
                f"recall of {label}", recall, "at least", settings.min_class_recall, intervals[f"recall:{label}"]
            )
        )
    rules.append(limit_rule("Brier score", metrics.brier, "at most", settings.max_brier, intervals["brier"]))
    rules.append(limit_rule("expected calibration error", metrics.ece, "at most", settings.max_ece, intervals["ece"]))
    return rules


def _watched_rules(watched: WatchedScores | None, min_recall: float | None) -> list[RuleResult]:
    if min_recall is None:
        return []
    if watched is None:
        note = "does not apply: no class is watched; name it in calibration.watched_class"
        return [RuleResult("recall of the watched class", None, None, "at least", min_recall, None, note)]
    rule = f"recall of {watched.chosen.label} at its threshold"
    return [limit_rule(rule, watched.recall, "at least", min_recall, watched.intervals["recall"])]


def _baseline_rules(evaluation: Evaluation, settings: GateSettings) -> list[RuleResult]:
    crossed, least = evaluation.cross_validation, settings.min_margin_over_baselines
    if crossed is not None:
        return [
            _cross_validated(
                limit_rule(
                    f"macro F1 above the {name} baseline",
                    exact_difference(margin.estimate),
                    "at least",
                    least,
                    margin.interval,
                ),
                crossed,
            )
            for name, margin in crossed.margins.items()
        ]
    return [
        limit_rule(
            f"macro F1 above the {name} baseline",
            exact_difference(evaluation.candidate.metrics.macro_f1 - scores.metrics.macro_f1),
            "at least",
            least,
        )
        for name, scores in evaluation.baselines.items()
    ]


def champion_rule(champion: ChampionComparison | None, classes: tuple[str, ...], settings: GateSettings) -> RuleResult:
    """Non-inferiority to the champion: the lower bound of the difference may not be below minus the margin.

    Args:
        champion: the comparison on the same photos; None where there is no champion yet.
        classes: of the candidate.
        settings: with the margin.
    """
    rule, limit = "macro F1 against the champion, lower bound", 0 - settings.non_inferiority_margin
    if champion is None:
        return RuleResult(rule, None, None, "at least", limit, None, "does not apply: there is no champion yet")
    if champion.difference is None:
        allowed = settings.replace_champion_with_other_classes
        note = (
            f"champion {champion.version} has the classes {', '.join(champion.classes)}, the candidate "
            f"{', '.join(classes)}; they cannot be compared"
        )
        if allowed:
            return RuleResult(rule, None, None, "at least", limit, None, f"does not apply: {note}")
        hint = "set gate.replace_champion_with_other_classes: true to replace it"
        return RuleResult(rule, None, None, "at least", limit, False, f"{note}; {hint}")
    difference = champion.difference
    note = f"difference {number(difference.estimate, sign=True)} to champion {champion.version} on the same photos"
    row = limit_rule(rule, exact_difference(difference.lower_bound), "at least", limit, difference.interval)
    return row if row.measured is None else replace(row, note=note)


def _coverage_rules(champion: ChampionComparison | None, settings: GateSettings) -> list[RuleResult]:
    """A candidate that is as often right, but keeps its promise by leaving all to people, is no better one."""
    if champion is None or champion.coverage_change is None:
        return []
    limit = 0 - settings.max_coverage_loss
    return [
        limit_rule("accepted share against the champion", exact_difference(champion.coverage_change), "at least", limit)
    ]


def _rolling_rules(rolling: RollingTest | None) -> list[RuleResult]:
    """On reviewed photos the candidate may not be surely worse: they are too few to show that it is as good."""
    if rolling is None or rolling.champion is None or rolling.champion.difference is None:
        return []
    difference = rolling.champion.difference
    row = limit_rule(
        "macro F1 against the champion on reviewed photos, upper bound",
        exact_difference(difference.interval.high),
        "at least",
        0.0,
        difference.interval,
    )
    note = f"difference {number(difference.estimate, sign=True)} on {rolling.photos:,} photos of the operation"
    return [row if row.measured is None else replace(row, note=note)]


def limit_rule(
    rule: str, measured: float, direction: Direction, limit: float, interval: Interval | None = None
) -> RuleResult:
    """Hold a figure against a limit; a figure that could not be computed (NaN) fails."""
    if isnan(measured):
        return RuleResult(rule, None, interval, direction, limit, False, "it could not be computed")
    passed = measured >= limit if direction == "at least" else measured <= limit
    return RuleResult(rule, measured, interval, direction, limit, passed)


def exact_difference(difference: float) -> float:
    """A difference of two figures without the noise of binary fractions."""
    # 0.85 − 0.80 is a little below 0.05 in binary: a difference at its limit would fail.
    return round(difference, 12)
