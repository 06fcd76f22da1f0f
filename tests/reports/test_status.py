import json
from pathlib import Path

import pytest

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.gate import GateResult, RuleResult, apply_gate
from quality_gate.evaluation.scores import ChampionComparison
from quality_gate.home import Home
from quality_gate.ledger import Ledger
from quality_gate.reports.status import HISTORY_LINES, gate_table, status_json, status_text
from quality_gate.settings import GateSettings

NAME = "visual_quality_gate"
HOME = Home(Path("/state"))


@pytest.fixture
def decide(tmp_path, make_entry, make_evaluation, make_scores):
    """Writes decisions of the gate, and rollbacks, into a ledger; a refused candidate has a low macro F1."""

    def ledger_of(*decisions, **changes):
        ledger = Ledger(tmp_path)
        for event, version in decisions:
            candidate = make_scores(macro_f1=0.5 if event == "refused" else 0.9)
            gate = apply_gate(make_evaluation(candidate=candidate), GateSettings())
            metrics = candidate.metrics.to_json()
            ledger.append(make_entry(event, version, gate=gate.to_json(), metrics=metrics, **changes))
        return ledger

    return ledger_of


def text(ledger):
    return status_text(NAME, ledger, HOME)


def told(ledger):
    """The status as a program reads it."""
    return json.loads(json.dumps(status_json(NAME, ledger), allow_nan=False))


def test_before_anything_was_trained_there_is_no_champion_and_no_verdict(decide):
    assert told(decide()) == {"name": NAME, "champion": None, "last_gate": None, "history": []}


def test_the_json_has_the_keys_programs_rely_on(decide):
    status = told(decide(("promoted", "1")))
    champion = status["champion"]
    assert (champion["version"], champion["model"], champion["data_digest"]) == ("1", "tiny", "d" * 64)
    assert {"macro_f1", "brier", "brier_top1", "ece", "accuracy"} <= set(champion["metrics"])
    assert champion["metrics"]["macro_f1"] == 0.9
    routing = {key: champion["routing"][key] for key in ("alpha", "delta", "threshold", "coverage")}
    assert routing == {"alpha": 0.05, "delta": 0.1, "threshold": 0.6, "coverage": 0.8}
    assert status["last_gate"]["passed"] is True
    assert status["last_gate"]["rules"][0]["rule"] == "macro F1"
    assert {"measured", "interval", "limit", "passed"} <= set(status["last_gate"]["rules"][0])


def test_a_refused_candidate_is_the_last_verdict_and_no_champion(decide):
    status = told(decide(("refused", None)))
    assert status["champion"] is None
    assert (status["last_gate"]["passed"], status["last_gate"]["event"]) == (False, "refused")


def test_a_refused_candidate_leaves_the_champion(decide):
    status = told(decide(("promoted", "1"), ("refused", None)))
    assert status["champion"]["version"] == "1"
    assert status["champion"]["metrics"]["macro_f1"] == 0.9
    assert status["last_gate"]["passed"] is False


def test_after_a_rollback_the_former_champion_is_shown_and_the_verdict_stays_that_of_the_gate(decide):
    status = told(decide(("promoted", "1"), ("promoted", "2"), ("rolled_back", "1")))
    assert status["champion"]["version"] == "1"
    assert (status["last_gate"]["event"], status["last_gate"]["run"]) == ("promoted", "run of 2")
    assert [(line["event"], line["version"]) for line in status["history"]] == [
        ("promoted", "1"),
        ("promoted", "2"),
        ("rolled_back", "1"),
    ]


def test_the_text_before_anything_was_trained_says_so_and_what_can_be_opened(decide):
    shown = text(decide())
    assert shown.startswith(f"{NAME} has no champion yet.")
    assert "History" not in shown
    assert "bentoml serve" not in shown
    assert "zenml login --local" in shown
    assert "mlflow ui --backend-store-uri sqlite:////state/mlflow/mlflow.db" in shown


def test_the_pages_of_a_tracking_server_are_there_already(decide, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    assert text(decide()).endswith("curves and models       https://mlflow.example.org")


def test_the_text_after_a_refusal_says_why_and_offers_nothing_to_serve(decide):
    shown = text(decide(("refused", None)))
    assert shown.startswith("The gate STOPPED the candidate in run run of None")
    assert "Why: macro F1 is 0.500, but at least 0.800 is demanded (missed by 0.300)" in shown
    assert "Report: /reports/evaluation.html" in shown
    assert f"{NAME} has no champion yet." in shown
    assert "bentoml serve" not in shown
    assert "rollback" not in shown


def test_the_text_after_a_promotion_shows_table_champion_promise_and_how_to_serve_it(decide):
    shown = text(decide(("promoted", "1")))
    assert shown.startswith("The gate passed in run run of 1")
    assert "Why:" not in shown
    assert f"Champion: {NAME}:1 (tiny) tells onion, potato, tomato apart" in shown
    assert "macro_f1 0.900, brier 0.150, brier_top1 0.080, ece 0.030, accuracy 0.900" in shown
    assert "answers from confidence 0.600 are accepted, 80% of the photos" in shown
    assert "at most 5.0% are wrong, with confidence 90%" in shown
    assert f"bentoml serve {NAME}:latest" in shown
    assert "quality-gate rollback" not in shown


def test_a_warning_of_the_gate_is_shown_and_told_to_programs(tmp_path, make_entry):
    rules = (RuleResult("macro F1", 0.9, None, "at least", 0.8, True),)
    ledger = Ledger(tmp_path)
    ledger.append(make_entry("promoted", "1", gate=GateResult(rules, ("too few photos",)).to_json()))
    assert "\n\nWarning: too few photos.\n\n" in text(ledger)
    assert told(ledger)["last_gate"]["warnings"] == ["too few photos"]


def test_a_rollback_is_offered_where_there_is_a_former_champion(decide):
    assert f"quality-gate rollback --name {NAME}" in text(decide(("promoted", "1"), ("promoted", "2")))


def test_the_text_after_a_rollback_shows_who_is_champion_again(decide):
    shown = text(decide(("promoted", "1"), ("promoted", "2"), ("rolled_back", "1")))
    assert f"Champion: {NAME}:1" in shown
    assert "rolled_back  version 1" in shown
    assert "quality-gate rollback" not in shown


def test_without_a_certificate_the_text_says_that_all_goes_to_review(decide):
    routing = {"alpha": 0.05, "delta": 0.1, "threshold": None, "coverage": 0.0}
    shown = text(decide(("promoted", "1"), routing=routing))
    assert "every answer goes to review: at most 5.0% wrong could not be certified" in shown


def test_a_long_history_shows_the_newest(decide):
    versions = [str(number) for number in range(1, HISTORY_LINES + 4)]
    shown = text(decide(*[("promoted", version) for version in versions]))
    lines = [line for line in shown.splitlines() if "promoted " in line]
    assert [line.split("version ")[1].split()[0] for line in lines] == versions[-HISTORY_LINES:]


def test_a_candidate_with_other_classes_than_the_champion_is_told_how_to_replace_it(
    tmp_path, make_entry, make_evaluation
):
    champion = ChampionComparison("3", ("apple",), None, None)
    gate = apply_gate(make_evaluation(champion=champion), GateSettings())
    ledger = Ledger(tmp_path)
    ledger.append(make_entry("refused", None, gate=gate.to_json()))
    assert "set gate.replace_champion_with_other_classes: true to replace it." in text(ledger)


def test_the_table_has_a_row_a_rule_in_columns_that_line_up():
    rules = (
        RuleResult("macro F1", 0.912, Interval(0.88, 0.94), "at least", 0.8, True),
        RuleResult("Brier score", 0.30001, None, "at most", 0.3, False),
        RuleResult("champion", None, None, "at least", -0.03, None, "does not apply: there is no champion yet"),
    )
    assert gate_table(GateResult(rules)).splitlines() == [
        "rule         measured  95% interval    limit            passed",
        "-----------  --------  --------------  ---------------  --------------",
        "macro F1     0.912     0.880 to 0.940  at least 0.800   yes",
        "Brier score  0.30001                   at most 0.30000  NO",
        "champion                               at least −0.030  does not apply",
    ]


def test_page_table_and_exit_line_write_a_figure_the_same_way():
    from quality_gate.reports.gate_rows import failures, gate_rows

    result = GateResult((RuleResult("latency", 500.0004, Interval(400.0, 600.0), "at most", 500.0, False),))
    (row,) = gate_rows(result)
    assert row.measured == "500.0004"
    assert f"{row.measured}  {row.interval}  {row.limit}" in gate_table(result)
    assert failures(result) == [f"{result.sentence()}."]
    assert f"latency is {row.measured}, but {row.limit} is demanded" in result.sentence()
