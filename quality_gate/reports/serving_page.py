"""The page about what is served: the precision, and what it costs and gains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality_gate.evaluation.wording import number
from quality_gate.reports.gate_rows import failures, gate_rows
from quality_gate.reports.rendering import render

if TYPE_CHECKING:
    from quality_gate.evaluation.precision import Contender
    from quality_gate.evaluation.served_model import ServedModel

IN_WORDS: dict[Contender, str] = {
    "float32": "32-bit floating point",
    "int8": "8-bit integers",
    "int8_trained": "8-bit integers, trained for them",
}


def serving_sentence(served: ServedModel) -> str:
    """What is served and why, in one line."""
    comparison = served.comparison
    if served.problem:
        return f"served in {IN_WORDS['float32']}; 8 bits could not be tried ({served.problem})"
    if comparison is None:
        return f"served in {IN_WORDS['float32']}; 8 bits were not tried (serving.int8)"
    times = {name: number(figures.latency_ms) for name, figures in comparison.figures.items()}
    chosen = comparison.chosen
    compared = (
        f"{times['int8' if chosen == 'float32' else chosen]} ms an answer against {times['float32']} ms in 32 bits"
    )
    if chosen != "float32":
        return f"served in {IN_WORDS[chosen]}: {compared}"
    failed = "; trained for them, ".join(verdict.sentence() for verdict in comparison.verdicts.values())
    return f"served in {IN_WORDS[chosen]}; 8 bits take {compared} and do not pass: {failed}"


def serving_page(served: ServedModel, *, name: str) -> str:
    """The page.

    Args:
        served: what is served, and the comparison behind it.
        name: of the gate.

    Returns:
        Static HTML.
    """
    comparison = served.comparison
    chosen = comparison.chosen if comparison else "float32"
    verdicts = comparison.verdicts if comparison else {}
    return render(
        "serving.html.j2",
        name=name,
        precision=IN_WORDS[chosen],
        chosen=chosen,
        problem=served.problem,
        figures={IN_WORDS[key]: value for key, value in comparison.figures.items()} if comparison else {},
        rows={IN_WORDS[key]: gate_rows(verdict) for key, verdict in verdicts.items()},
        failed=[f"{IN_WORDS[key]}: {each}" for key, verdict in verdicts.items() for each in failures(verdict)],
        photos=sum(each.support for each in comparison.figures["float32"].metrics.per_class.values())
        if comparison
        else 0,
        divergences=served.divergences,
        kept=min(served.divergences, default=0.0),
        number=number,
    )
