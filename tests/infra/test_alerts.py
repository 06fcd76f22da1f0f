"""Alerts over invented series, by Prometheus' own tool: what rings when, and what stays quiet."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

RULES = Path(__file__).resolve().parents[2] / "infra" / "prometheus" / "rules.yaml"
DAY = 24 * 60


def series(name, values, **labels):
    """One series in promtool's notation, a value a minute: ``0+60x10`` is 0, 60, … 600."""
    inside = ",".join(f'{key}="{value}"' for key, value in {"job": "quality-gate", **labels}.items())
    return {"series": f"{name}{{{inside}}}", "values": values}


def requests(status, values):
    return series("quality_gate_requests_total", values, endpoint="predict", status=status)


def decisions(decision, values):
    return series("quality_gate_decisions_total", values, label="onion", decision=decision)


def seconds(limit, values):
    return series("quality_gate_request_seconds_bucket", values, endpoint="predict", le=limit)


def outbox(name, values):
    return series(f"quality_gate_outbox_{name}", values, instance="one")


def waiting(instance, values):
    return series("quality_gate_review_waiting", values, instance=instance)


# alert, minute that is looked at, whether it rings, series
CASES = {
    "down": ("QualityGateDown", 5, True, [series("up", "1 1 0x10")]),
    "up": ("QualityGateDown", 5, False, [series("up", "1x10")]),
    "one in twenty fails": ("QualityGateErrors", 20, True, [requests("200", "0+95x30"), requests("500", "0+5x30")]),
    "one in a thousand fails": (
        "QualityGateErrors", 20, False, [requests("200", "0+999x30"), requests("500", "0+1x30")]
    ),
    "clients make mistakes": ("QualityGateErrors", 20, False, [requests("200", "0+50x30"), requests("422", "0+50x30")]),
    "nobody asks": ("QualityGateErrors", 20, False, [requests("200", "100x30"), requests("500", "5x30")]),
    "one in fifty is slow": (
        "QualityGateSlow", 30, True,
        [seconds("0.1", "0+98x40"), seconds("1.0", "0+98x40"), seconds("2.5", "0+100x40"), seconds("+Inf", "0+100x40")],
    ),
    "all are quick": (
        "QualityGateSlow", 30, False,
        [seconds("0.1", "0+100x40"), seconds("1.0", "0+100x40"), seconds("+Inf", "0+100x40")],
    ),
    "one in ten is sent away": (
        "QualityGateOverloaded", 20, True, [requests("200", "0+90x30"), requests("429", "0+10x30")]
    ),
    "one in a hundred is sent away": (
        "QualityGateOverloaded", 20, False, [requests("200", "0+99x30"), requests("429", "0+1x30")]
    ),
    "the database is away": (
        "QualityGateOutboxGrows", 25, True, [outbox("rows", "0+600x40"), outbox("oldest_seconds", "0+60x40")]
    ),
    "the database is back and catches up": (
        "QualityGateOutboxGrows", 25, False, [outbox("rows", "9000-200x40"), outbox("oldest_seconds", "900x40")]
    ),
    "many wait for a moment": (
        "QualityGateOutboxGrows", 25, False, [outbox("rows", "0+50x40"), outbox("oldest_seconds", "1x40")]
    ),
    "a row is refused": ("QualityGateRowsRefused", 5, True, [outbox("refused", "0 0 1x10")]),
    "no row is refused": ("QualityGateRowsRefused", 5, False, [outbox("refused", "0x10")]),
    "review goes from a tenth to a half": (
        "QualityGateReviewShareJumps", DAY + 90, True,
        [decisions("accept", f"0+90x{DAY} 129650+50x120"), decisions("review", f"0+10x{DAY} 14450+50x120")],
    ),
    "review goes from nothing to a half": (
        "QualityGateReviewShareJumps", DAY + 90, True,
        [decisions("accept", f"0+100x{DAY} 144050+50x120"), decisions("review", f"_x{DAY} 0+50x120")],
    ),
    "review stays": (
        "QualityGateReviewShareJumps", DAY + 90, False,
        [decisions("accept", f"0+50x{DAY + 120}"), decisions("review", f"0+50x{DAY + 120}")],
    ),
    "more wait for review every hour": (
        "QualityGateReviewQueueGrows", DAY + 90, True,
        [waiting("one", f"500+1x{DAY + 120}"), waiting("two", f"500+1x{DAY + 120}")],
    ),
    "reviewers catch up": ("QualityGateReviewQueueGrows", DAY + 90, False, [waiting("one", f"9000-1x{DAY + 120}")]),
    "a few wait for review": ("QualityGateReviewQueueGrows", DAY + 90, False, [waiting("one", f"0+0.1x{DAY + 120}")]),
    "too few answers to tell": (
        "QualityGateReviewShareJumps", DAY + 90, False,
        [decisions("accept", f"0+90x{DAY} 129601+1x120"), decisions("review", f"0+10x{DAY} 14401+1x120")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_alert_rings_when_it_should_and_only_then(case, tmp_path):
    promtool = shutil.which("promtool") or pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    alert, minute, rings, given = CASES[case]
    expected = {
        "expr": f'count by (alertname) (ALERTS{{alertname="{alert}",alertstate="firing"}})',
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if rings else [],
    }
    test = {"interval": "1m", "input_series": given, "promql_expr_test": [expected]}
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    result = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_is_seen_to_ring_and_to_stay_quiet():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    seen = {(alert, rings) for alert, _, rings, _ in CASES.values()}
    assert seen == {(alert, rings) for alert in alerts for rings in (True, False)}
