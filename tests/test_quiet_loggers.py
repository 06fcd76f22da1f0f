import logging

from quality_gate.quiet_loggers import quiet


def test_errors_alone_are_passed_on_while_the_block_lasts(caplog):
    logger = logging.getLogger("a library")
    logger.setLevel(logging.INFO)

    with quiet("a library"):
        logger.warning("of its internals")
        logger.error("of the user's file")
    logger.info("afterwards")

    assert caplog.messages == ["of the user's file", "afterwards"]


def test_the_root_logger_can_be_named(caplog):
    logging.getLogger().setLevel(logging.INFO)

    with quiet("root"):
        logging.info("of the internals of a library")

    assert caplog.messages == []
    assert logging.getLogger().level == logging.INFO
