"""What a user sees at the end of a run, also of one in which nothing was left to do."""

from pathlib import Path

from zenml.enums import ExecutionStatus
from zenml.models import PipelineRunResponse

from quality_gate.evaluation.wording import number
from quality_gate.home import locate
from quality_gate.ledger import Ledger
from quality_gate.progress import ConsoleReporter
from quality_gate.tracking import find_run
from steps.context import tracking_uri

SHOWN_METRICS = {"macro_f1": "macro F1", "brier": "Brier score", "ece": "calibration error"}


def conclude(run: PipelineRunResponse) -> None:
    """Say which steps were cached, what the gate says and where its report is; close the MLflow run if there is one."""
    steps = run.steps
    cached = [name for name, step in steps.items() if step.status == ExecutionStatus.CACHED]
    anew = [name for name in steps if name not in cached]
    name = str((run.config.parameters or {})["name"])
    if anew:
        _close_tracking(name, run.name, cached)
    (measured,), (report,) = steps["evaluate"].outputs["evaluation"], steps["gate"].outputs["report"]
    metrics = measured.load().evaluation.candidate.metrics.scalars()
    for line in _ending(name, cached, anew, metrics, Path(str(report.load()))):
        ConsoleReporter().say(line)


def _ending(name: str, cached: list[str], anew: list[str], metrics: dict[str, float], report: Path) -> list[str]:
    lines = []
    if cached:
        rest = f"run: {', '.join(anew)}" if anew else "nothing was left to do"
        count = f"{len(cached)} of {len(cached) + len(anew)} steps"
        lines.append(f"cached: {count}, since nothing they depend on has changed; {rest}")
    champion = Ledger(locate().registry(name)).champion()
    assert champion is not None
    figures = ", ".join(f"{words} {number(metrics[metric])}" for metric, words in SHOWN_METRICS.items())
    # The folder of a report is called like the run that wrote it.
    lines.append(f"gate: passed in run {report.parent.name}; {figures}")
    lines.append(f"champion: {name}:{champion.version}, promoted by run {champion.run}")
    lines.append(f"report: {report}")
    return lines


def _close_tracking(name: str, run: str, cached: list[str]) -> None:
    tracked = find_run(tracking_uri(), name, run)
    if tracked is not None:
        tracked.log_tags({"cached_steps": ", ".join(cached)})
        tracked.finish(succeeded=True)
