from math import nan

from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.gate import GateResult, RuleResult
from quality_gate.reports.gate_rows import failures, gate_rows


def rule(measured, limit, passed, *, direction="at least", interval=None, note=""):
    return RuleResult("macro F1", measured, interval, direction, limit, passed, note)


def row_of(result):
    return gate_rows(GateResult((result,)))[0]


def test_a_row_shows_measured_value_interval_limit_and_verdict():
    row = row_of(rule(0.912, 0.8, True, interval=Interval(0.88, 0.94)))
    assert (row.measured, row.interval, row.limit, row.status) == ("0.912", "0.880 to 0.940", "at least 0.800", "pass")


def test_a_rule_that_does_not_apply_is_neither_passed_nor_failed_and_keeps_its_note():
    row = row_of(rule(None, -0.03, None, note="does not apply: there is no champion yet"))
    assert (row.measured, row.interval, row.status) == ("–", "–", "none")
    assert "no champion" in row.note


def test_a_narrow_miss_does_not_look_like_the_limit():
    row = row_of(rule(0.79996, 0.8, False))
    assert (row.measured, row.limit) == ("0.79996", "at least 0.80000")


@settings(deadline=None, max_examples=50)
@given(limit=st.floats(0.001, 1000), miss=st.floats(1e-5, 0.5))
def test_a_missed_limit_and_what_was_measured_never_look_the_same(limit, miss):
    row = row_of(rule(limit * (1 - miss), limit, False))
    assert row.limit != f"at least {row.measured}"


def test_a_failure_says_what_was_measured_what_is_demanded_and_by_how_much_it_misses():
    (sentence,) = failures(GateResult((rule(0.9, 0.8, True), rule(0.75, 0.8, False), rule(None, 0.8, None))))
    assert sentence == "macro F1 is 0.750, but at least 0.800 is demanded (missed by 0.050)."


def test_a_failure_without_a_measured_value_gives_its_reason():
    (sentence,) = failures(GateResult((rule(None, 0.0, False, note="champion 3 has other classes"),)))
    assert sentence == "macro F1: champion 3 has other classes."


def test_a_warning_is_a_row_below_the_rules_and_no_failure():
    result = GateResult((rule(0.9, 0.8, True),), ("too few photos",))
    assert [(row.rule, row.status) for row in gate_rows(result)] == [("macro F1", "pass"), ("too few photos.", "warn")]
    assert failures(result) == []
    html = render_table(gate_rows(result))
    assert "too few photos." in html
    assert "warning" in html
    assert 'class="number limit none"' in html


def test_an_interval_undefined_at_an_end_is_a_dash():
    assert row_of(rule(0.75, 0.8, False, interval=Interval(nan, nan))).interval == "–"


def test_the_table_escapes_class_names_and_marks_failures():
    result = RuleResult("recall of <b>", 0.1, None, "at least", 0.5, False, "see <i>")
    html = render_table(gate_rows(GateResult((result,))))
    assert "recall of &lt;b&gt;" in html
    assert "see &lt;i&gt;" in html
    assert '<tr class="fail">' in html
    assert "failed" in html


def render_table(rows):
    from jinja2 import Environment, FileSystemLoader

    from quality_gate.reports import rendering

    environment = Environment(loader=FileSystemLoader(rendering.TEMPLATES), autoescape=True)
    return str(environment.get_template("gate_table.html.j2").module.table(rows))
