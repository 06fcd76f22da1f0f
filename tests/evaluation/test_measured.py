import json

import numpy as np
import pytest

from quality_gate.evaluation.measured import ANSWERS_FILE, EVALUATION_FILE, Measured
from quality_gate.evaluation.scores import RollingTest


@pytest.fixture
def measured(make_evaluation):
    answers = np.random.default_rng(0).dirichlet([1, 1, 1], 60)
    return Measured(make_evaluation(), {"candidate": answers, "histogram": answers[::-1]})


def test_figures_and_answers_are_the_same_after_a_stay_on_disk(measured, tmp_path):
    measured.save(tmp_path)
    loaded = Measured.load(tmp_path)
    assert loaded.evaluation == measured.evaluation
    assert list(loaded.probabilities) == ["candidate", "histogram"]
    for name, answers in measured.probabilities.items():
        np.testing.assert_array_equal(loaded.probabilities[name], answers)
        assert loaded.probabilities[name].dtype == np.float64


def test_answers_of_a_rolling_test_are_the_same_after_a_stay_on_disk(make_evaluation, make_scores, tmp_path):
    answers = np.random.default_rng(1).dirichlet([1, 1, 1], 5)
    evaluation = make_evaluation(rolling=RollingTest(5, make_scores(), None))
    Measured(evaluation, {}, {"candidate": answers}).save(tmp_path)
    loaded = Measured.load(tmp_path)
    assert loaded.evaluation == evaluation
    np.testing.assert_array_equal(loaded.rolling["candidate"], answers)


def test_the_folder_holds_plain_json_and_arrays_and_nothing_pickled(measured, tmp_path):
    measured.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([EVALUATION_FILE, ANSWERS_FILE])
    assert json.loads((tmp_path / EVALUATION_FILE).read_text())["test_photos"] == 60


def test_answers_that_would_have_to_be_pickled_are_refused(measured, tmp_path):
    odd = Measured(measured.evaluation, {"candidate": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(ValueError, match="pickle"):
        odd.save(tmp_path)


def test_a_folder_that_was_cut_off_half_way_is_not_taken_for_whole(measured, tmp_path):
    measured.save(tmp_path)
    (tmp_path / ANSWERS_FILE).unlink()
    with pytest.raises(FileNotFoundError):
        Measured.load(tmp_path)
