"""Rules and dashboard name only what the service exposes."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

# `name{…}`; label matchers, `by (…)` and durations are cut away before names are looked for.
_SELECTOR = re.compile(r"\{[^}]*\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_NAME = re.compile(r"\b(quality_gate[a-zA-Z0-9_:]*|up)\b")
_MATCHER = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
# Given to every series by Prometheus itself.
TARGET_LABELS = {"job", "instance", "le"}
PROMETHEUS_OWN = {"up"}


@pytest.fixture(scope="module")
def rules(infra):
    groups = yaml.safe_load((infra / "prometheus" / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard(infra):
    return json.loads((infra / "grafana" / "dashboards" / "quality_gate.json").read_text())


@pytest.fixture(scope="module")
def expressions(rules, dashboard):
    """Every query, by what it belongs to."""
    found = {rule.get("alert") or rule["record"]: rule["expr"] for rule in rules}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            found[f"panel {panel['title']} {target['refId']}"] = target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        found[f"annotation {annotation['name']}"] = annotation["expr"]
    return found


def unknown(expression, series, labels):
    """Names and labels of a query that nothing exposes."""
    used = set(_NAME.findall(_SELECTOR.sub("", expression)))
    grouped = {name.strip() for group in _GROUPING.findall(expression) for name in group.split(",")}
    matched = {name for selector in _SELECTOR.findall(expression) for name in _MATCHER.findall(selector)}
    return (used - series) | ((grouped | matched) - labels)


def test_every_series_and_label_that_is_asked_for_exists(expressions, metrics, rules):
    series = {*metrics, *PROMETHEUS_OWN, *(rule["record"] for rule in rules if "record" in rule)}
    labels = {name for names in metrics.values() for name in names} | TARGET_LABELS
    wrong = {where: found for where, query in expressions.items() if (found := unknown(query, series, labels))}
    assert not wrong


def test_a_misspelt_series_or_label_is_found():
    assert unknown('rate(quality_gate_request_total{stat="200"}[5m])', {"quality_gate_requests_total"}, {"status"}) == {
        "quality_gate_request_total",
        "stat",
    }


def test_the_dashboard_shows_everything_the_service_exposes(expressions, metrics):
    shown = " ".join(query for where, query in expressions.items() if where.startswith("panel"))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in metrics}
    # Refused rows are an alert: a number that is not 0 is no curve to look at.
    assert {name for name in families if name not in shown} == {"quality_gate_outbox_refused"}


def test_every_query_is_one_that_prometheus_can_read(expressions, tmp_path):
    promtool = shutil.which("promtool") or pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    file = tmp_path / "rules.yaml"
    queries = [query.replace("$__rate_interval", "1m") for query in expressions.values()]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    result = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_panels_have_their_own_numbers_and_places(dashboard):
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not taken & cells, panel["title"]
        taken |= cells


def test_panels_and_targets_read_the_provisioned_source(dashboard, infra):
    sources = yaml.safe_load((infra / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    (source,) = sources
    asked = [target for panel in dashboard["panels"] for target in [panel, *panel["targets"]]]
    expected = {"type": source["type"], "uid": source["uid"]}
    assert all(one["datasource"] == expected for one in [*asked, *dashboard["annotations"]["list"]])


def test_every_alert_says_what_is_wrong_and_what_to_do(rules):
    alerts = [rule for rule in rules if "alert" in rule]
    assert alerts
    for alert in alerts:
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert set(alert["annotations"]) == {"summary", "action"}
