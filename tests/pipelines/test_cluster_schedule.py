import pytest

from pipelines.cluster_schedule import cluster_schedule


@pytest.mark.parametrize(
    ("every", "cron"),
    [("daily at 02:00", "0 2 * * *"), ("monthly on 1 at 03:00", "0 3 1 * *"), ("hourly", "0 * * * *")],
)
def test_a_cluster_gets_the_same_times_as_a_machine(every, cron):
    schedule = cluster_schedule("nightly", every)
    assert (schedule.name, schedule.cron_expression) == ("nightly", cron)
    assert not schedule.catchup


def test_words_that_are_no_times_are_refused():
    with pytest.raises(ValueError, match="is no time of the calendar"):
        cluster_schedule("nightly", "sometimes")
