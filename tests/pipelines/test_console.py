import logging

import pytest
from zenml.logger import ZenMLConsoleHandler

from pipelines.console import helpful_console
from quality_gate.errors import UserError


@pytest.fixture
def shown():
    """Lines that ZenML's console shows, of a console added for the test."""

    class Screen:
        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    screen, former = Screen(), logging.getLogger().level
    console = ZenMLConsoleHandler(screen)
    logging.getLogger().addHandler(console)
    yield screen
    logging.getLogger().removeHandler(console)
    logging.getLogger().setLevel(former)


def log_failure(error):
    logger = logging.getLogger("zenml.test")
    logger.error("Failed to run step `%s`: %s", "gate", error)
    try:
        raise error
    except Exception:
        logger.exception("Step %s failed.", "gate")


class TestConsole:
    def test_a_users_mistake_has_no_trace_and_is_said_once(self, shown):
        with helpful_console():
            log_failure(UserError("the folder is empty"))
        assert "Step gate failed." in shown.text
        assert "Traceback" not in shown.text
        assert "the folder is empty" not in shown.text  # the command line says it at the end

    def test_any_other_error_keeps_its_trace(self, shown):
        with helpful_console():
            log_failure(ZeroDivisionError("a defect"))
        assert "Traceback" in shown.text
        assert "ZeroDivisionError: a defect" in shown.text

    def test_advertisements_are_left_out(self, shown):
        with helpful_console():
            logging.getLogger("zenml.test").warning("Models can be viewed in the dashboard using ZenML Pro. Sign up")
            logging.getLogger("aiobotocore.credentials").warning("Found credentials in environment variables.")
            logging.getLogger("zenml.test").warning("Step has started.")
        assert "Pro" not in shown.text
        assert "credentials" not in shown.text
        assert "Step has started." in shown.text

    def test_afterwards_everything_is_shown(self, shown):
        with helpful_console():
            pass
        log_failure(UserError("the folder is empty"))
        assert "Traceback" in shown.text
