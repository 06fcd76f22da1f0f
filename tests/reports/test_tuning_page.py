import re

import pytest

from quality_gate.reports.tuning_figures import best_so_far, history_figure, importance_figure
from quality_gate.reports.tuning_page import SHOWN_TRIALS, tuning_page, verdict
from quality_gate.training.history import Epoch
from quality_gate.tuning.result import Importance, TrialRecord, TuningResult

COMMAND = "zenml pipeline run training --config best.yaml"
IMPORTANCE = Importance({"learning_rate": 0.75, "mixup": 0.25}, 6)


def trial(number, value=None, state="complete", note="", **settings):
    epochs = tuple(Epoch(each, None, 0.5, 0.7, 1e-4, True, brier=0.3) for each in range(3))
    return TrialRecord(number, state, value, settings, epochs, 12.34, note)


TRIALS = (
    trial(1, 0.8),
    trial(2, 0.95, learning_rate=0.000316, training_views=["crop", "squash"]),
    trial(3, None, "pruned", mixup=0.4),
    trial(4, None, "failed", "Training <diverged>.", learning_rate=0.9),
    trial(5, None, "stopped", mixup=0.1),
    trial(6, 0.7, mixup=0.2),
)


def result(*trials, metric="macro_f1", importance=IMPORTANCE, photos=200):
    return TuningResult(metric, trials or TRIALS, importance, 900, photos, "a" * 64)


def page(*trials, **changes):
    return tuning_page(result(*trials, **changes), name="produce", command=COMMAND)


def rows(text):
    found = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr.*?</tr>", text, re.DOTALL)]
    return [[cell.strip() for cell in row.split("|") if cell.strip()] for row in found]


@pytest.mark.parametrize(
    ("found", "status", "label"),
    [
        (result(), "pass", "better"),
        (result(trial(1, 0.8), trial(2, 0.81, mixup=0.1)), "warn", "may be chance"),
        (result(trial(1, 0.8), trial(2, 0.81, mixup=0.1), photos=90_000), "pass", "better"),
        (result(trial(1, 0.8), trial(2, 0.8, mixup=0.1)), "none", "recipe kept"),
        (result(trial(1, 0.8), trial(2, 0.7, mixup=0.1), metric="brier"), "pass", "better"),
    ],
)
def test_the_page_opens_with_what_was_found_and_whether_it_may_be_chance(found, status, label):
    said = verdict(found)
    assert (said.status, said.label) == (status, label)
    assert said.headline.replace("'", "&#39;") in tuning_page(found, name="produce", command=COMMAND)


def test_every_trial_has_its_row_the_best_first():
    found = [row for row in rows(page()) if row[0].isdigit()]
    assert [row[0] for row in found] == ["2", "1", "6", "3", "4", "5"]
    settings = "learning_rate 0.000316, training_views crop+squash"
    assert found[0] == ["2", "0.9500", "✓", "complete", "2", "12.3", settings]
    assert found[1][-1] == "the recipe"
    assert found[3] == ["3", "–", "–", "ended early", "2", "12.3", "mixup 0.4"]
    assert found[4][-1] == "learning_rate 0.9 — Training &lt;diverged&gt;."
    assert re.findall(r'<tr class="best"><td class="number">(\d+)', page()) == ["2"]


def test_the_best_settings_are_a_configuration_to_be_laid_over_the_recipe():
    (text, command) = re.findall(r"<pre><code>(.*?)</code></pre>", page(), re.DOTALL)
    assert text.startswith("parameters:\n  transfer:\n    learning_rate: 0.000316\n    training_views:\n    - crop\n")
    assert command == COMMAND


def test_where_the_recipe_is_best_there_is_nothing_to_lay_over_it():
    assert "the recipe&#39;s own" in page(trial(1, 0.8)) or "They are the recipe's own." in page(trial(1, 0.8))


def test_too_few_trials_to_tell_what_mattered_are_a_sentence():
    assert "were trained to their end to tell: 3." in page(importance=Importance({}, 3))


def test_of_very_many_trials_the_page_shows_the_best():
    found = page(*(trial(number, number / 1000) for number in range(1, SHOWN_TRIALS + 11)))
    assert len([row for row in rows(found) if row[0].isdigit()]) == SHOWN_TRIALS
    assert f"The first {SHOWN_TRIALS} of {SHOWN_TRIALS + 10}." in found


def test_the_page_runs_no_script_and_loads_nothing():
    assert "<script" not in page()
    assert not re.findall(r'(?:src|href)="(?!data:)', page())


def test_the_history_shows_every_complete_trial_and_the_best_so_far():
    (axes,) = history_figure(result()).axes
    trials, best = axes.lines[:2]
    assert trials.get_xydata().tolist() == [[1, 0.8], [2, 0.95], [6, 0.7]]
    assert best.get_ydata().tolist() == [0.8, 0.95, 0.95, 0.95]
    (ended,) = [line for line in axes.lines if line.get_label() == "ended early, or failed"]
    assert ended.get_xdata().tolist() == [3, 4, 5]


def test_the_best_so_far_of_a_brier_score_is_the_lowest():
    assert best_so_far([TRIALS[0], TRIALS[1], TRIALS[5]], "brier") == [0.8, 0.8, 0.7, 0.7]


def test_the_most_important_setting_stands_at_the_top():
    (axes,) = importance_figure(IMPORTANCE).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["mixup", "learning_rate"]
    assert [bar.get_width() for bar in axes.patches] == [0.25, 0.75]
