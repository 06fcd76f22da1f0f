"""The page about what is served: the precision, and what it costs and gains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality_gate.evaluation.wording import number
from quality_gate.reports.gate_rows import failures, gate_rows
from quality_gate.reports.rendering import render

if TYPE_CHECKING:
    from quality_gate.evaluation.served_model import ServedModel

IN_WORDS = {"float32": "32-bit floating point", "int8": "8-bit integers"}


def serving_sentence(served: ServedModel) -> str:
    """What is served and why, in one line."""
    precision = IN_WORDS[served.model.manifest.precision]
    if served.problem:
        return f"served in {precision}; 8 bits could not be tried ({served.problem})"
    if served.comparison is None:
        return f"served in {precision}; 8 bits were not tried (serving.int8)"
    times = {name: number(figures.latency_ms) for name, figures in served.comparison.figures.items()}
    compared = f"{times['int8']} ms an answer against {times['float32']} ms in 32 bits"
    if served.comparison.verdict.passed:
        return f"served in {precision}: {compared}"
    return f"served in {precision}; 8 bits take {compared} and do not pass: {served.comparison.verdict.sentence()}"


def serving_page(served: ServedModel, *, name: str) -> str:
    """The page.

    Args:
        served: what is served, and the comparison behind it.
        name: of the gate.

    Returns:
        Static HTML.
    """
    comparison = served.comparison
    return render(
        "serving.html.j2",
        name=name,
        precision=IN_WORDS[served.model.manifest.precision],
        is_int8=served.model.manifest.precision == "int8",
        problem=served.problem,
        figures={IN_WORDS[key]: value for key, value in comparison.figures.items()} if comparison else {},
        rows=gate_rows(comparison.verdict) if comparison else [],
        failed=failures(comparison.verdict) if comparison else [],
        number=number,
    )
