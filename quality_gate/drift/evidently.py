"""Evidently's interactive report of a window, and its workspace, whose dashboard shows windows over time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from quality_gate.drift.detection import GROUPS
from quality_gate.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from evidently.core.report import Snapshot

    from quality_gate.drift.observations import Observations
    from quality_gate.drift.window import ObservedWindow

LABEL = "predicted_class"
# Evidently asks for it, and else tells its makers of every start.
ENVIRONMENT: Mapping[str, str] = MappingProxyType({"DO_NOT_TRACK": "1"})
_COLUMNS = tuple(column for columns in GROUPS.values() for column in columns)


def write_evidently_report(window: ObservedWindow, false_alarm_rate: float, path: Path, workspace: Path) -> None:
    """Write the interactive HTML of a window, and add it to the workspace as a run of the gate's project.

    Its own tests are those of single columns, at a level that leaves all of them together the rate of the gate's alarm;
    what rings is that alarm.

    Args:
        window: the photos; at least one.
        false_alarm_rate: of the gate's alarm.
        path: of the HTML file.
        workspace: folder of the workspace; made where it is not there.
    """
    with _quiet():
        from evidently.ui.workspace import Workspace

        snapshot = _run(window, false_alarm_rate / (len(_COLUMNS) + 1))
        snapshot.save_html(str(path))
        store = Workspace.create(str(workspace))
        found = next((one for one in store.search_project(window.gate) if one.name == window.gate), None)
        project = found if found is not None else _new_project(store, window.gate)
        store.add_run(project.id, snapshot, name=f"{window.gate}:{window.model_version}")


def serve_workspace(workspace: Path, port: int, *, announce: Callable[[str], None]) -> None:
    """Serve the pages of a workspace on the loopback address until interrupted.

    Args:
        workspace: its folder.
        port: of the address.
        announce: told the address.

    Raises:
        UserError: nothing was written into the workspace yet, the port is taken, or the server fails.
    """
    if not workspace.is_dir():
        raise UserError("No window was looked at for drift yet; run: zenml pipeline run drift")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise UserError(f"Port {port} is taken; name another one with --port.")
    announce(f"Drift over time: http://127.0.0.1:{port} (stop with Ctrl+C)")
    command = [sys.executable, "-m", "evidently.cli", "ui", "--workspace", str(workspace), "--host", "127.0.0.1"]
    try:
        code = subprocess.run(  # noqa: S603 - our own interpreter
            [*command, "--port", str(port)], env={**os.environ, **ENVIRONMENT}, check=False
        ).returncode
    except KeyboardInterrupt:
        return
    if code:
        raise UserError(f"Evidently's pages ended with exit code {code}; what it said stands above.")


def _run(window: ObservedWindow, level: float) -> Snapshot:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import MeanValue, QuantileValue, RowCount, ValueDrift

    definition = DataDefinition(numerical_columns=list(_COLUMNS), categorical_columns=[LABEL])
    current, reference = (
        Dataset.from_pandas(_table(photos), data_definition=definition)
        for photos in (window.observations, window.reference)
    )
    metrics: list[Any] = [RowCount(tests=[]), MeanValue(column="confidence", tests=[])]
    metrics += [QuantileValue(column=column, quantile=0.5, tests=[]) for column in _COLUMNS]
    metrics += [ValueDrift(column=column, method="ks", threshold=level) for column in _COLUMNS]
    metrics += [ValueDrift(column=LABEL, method="chisquare", threshold=level)]
    return Report(metrics).run(current, reference, timestamp=datetime.fromisoformat(window.last))


def _new_project(store: Any, gate: str) -> Any:
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    project = store.create_project(gate, description="Windows of the prediction log over time.")
    panels: list[tuple[str, list[tuple[str, dict[str, Any], str]]]] = [
        ("Photos", [("RowCount", {}, "photos")]),
        ("Mean confidence", [("MeanValue", {"column": "confidence"}, "confidence")]),
        *(
            (f"Median: {name}", [("QuantileValue", {"column": column}, column) for column in columns])
            for name, columns in GROUPS.items()
        ),
        ("p values of single columns", [("ValueDrift", {"column": column}, column) for column in (*_COLUMNS, LABEL)]),
    ]
    for title, series in panels:
        values = [PanelMetric(metric=metric, metric_labels=labels, legend=legend) for metric, labels, legend in series]
        project.dashboard.add_panel(line_plot_panel(title=title, values=values, size="half"))
    project.save()
    return project


def _table(photos: Observations) -> pd.DataFrame:
    import pandas as pd

    labels = [photos.classes[number] for number in photos.predicted]
    return pd.DataFrame({**photos.columns, LABEL: labels})


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library from telling its makers, and its deprecations off the console."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
