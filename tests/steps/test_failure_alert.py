from types import SimpleNamespace

import pytest

from steps import failure_alert


@pytest.fixture
def stack(monkeypatch):
    """The active stack, with an alerter or without."""
    made = SimpleNamespace(alerter=None)
    monkeypatch.setattr(failure_alert, "Client", lambda: SimpleNamespace(active_stack=made))
    return made


def test_the_alerter_of_the_stack_posts_it(stack):
    posted = []
    stack.alerter = SimpleNamespace(name="slack", post=lambda text: posted.append(text) or True)
    failure_alert.alert_of_failure("it failed")
    assert posted == ["it failed"]


def test_without_an_alerter_a_failure_is_no_second_one(stack):
    assert failure_alert.alert_of_failure("it failed") is None


def test_an_alerter_that_did_not_post_it_is_an_error(stack):
    stack.alerter = SimpleNamespace(name="slack", post=lambda text: False)
    with pytest.raises(RuntimeError, match="the alerter slack did not post it"):
        failure_alert.alert_of_failure("it failed")
