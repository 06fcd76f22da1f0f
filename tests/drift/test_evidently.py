import os
import socket

import pytest

from quality_gate.drift.evidently import serve_workspace, write_evidently_report
from quality_gate.errors import UserError


@pytest.mark.filterwarnings("ignore")  # The library's own.
def test_a_report_stands_alone_and_each_window_is_a_run_of_the_gates_project(make_window, tmp_path):
    from evidently.ui.workspace import Workspace

    for day in ("01", "02"):
        window = make_window(60, last=f"2026-03-{day}T10:00:00+00:00")
        write_evidently_report(window, 0.01, tmp_path / "evidently.html", tmp_path / "workspace")

    assert (tmp_path / "evidently.html").stat().st_size > 1_000_000
    store = Workspace(str(tmp_path / "workspace"))
    (project,) = store.list_projects()
    assert project.name == "produce"
    assert len(store.list_runs(project.id)) == 2
    titles = [panel.title for panel in project.dashboard.model().panels]
    assert titles[:3] == ["Photos", "Mean confidence", "Median: light"]
    assert os.environ["DO_NOT_TRACK"] == "1"


def test_before_the_first_run_there_is_nothing_to_show(tmp_path):
    with pytest.raises(UserError, match="No window was looked at for drift yet; run: zenml pipeline run drift"):
        serve_workspace(tmp_path / "nothing", 8100, announce=print)


def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {port} is taken; name another one with --port"):
            serve_workspace(tmp_path, port, announce=print)
