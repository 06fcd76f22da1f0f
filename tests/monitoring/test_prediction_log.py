import re
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from quality_gate.errors import UserError
from quality_gate.monitoring import prediction_log
from quality_gate.monitoring.database import LogUnavailable, connect, parse_url
from quality_gate.monitoring.prediction_log import PredictionLog, Refusal, Window
from quality_gate.monitoring.schema import METADATA, MIGRATIONS, PREDICTIONS, migrate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def log(database_url):
    with PredictionLog.open(database_url) as log:
        yield log


@pytest.fixture
def engine(database_url):
    """Of an empty database."""
    engine = connect(parse_url(database_url))
    yield engine
    engine.dispose()


def everything(log, window=None, **options):
    return [prediction for page in log.read(window or Window(), **options) for prediction in page]


def test_what_was_written_is_read_newest_first(log, make_prediction):
    first, second = make_prediction(), make_prediction(threshold=None, decision="review", origin="batch")
    assert log.write([first, second]) == []
    assert everything(log) == [second, first]
    assert list(everything(log)[0].probabilities) == ["potato", "onion", "tomato"]
    assert log.count() == 2


def test_the_query_of_the_readme_lists_the_answers_of_the_night(postgres, make_prediction):
    query = re.search(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    now = datetime.now(UTC)
    batch = {"gate": "refunds", "origin": "batch"}
    answers = [
        make_prediction(**batch, time=now - timedelta(hours=1), image_name="b.jpg", label="onion"),
        make_prediction(**batch, time=now - timedelta(hours=2), image_name="a.jpg", label="tomato"),
        make_prediction(**batch, time=now - timedelta(hours=30), image_name="of the night before.jpg"),
        make_prediction(**batch | {"gate": "produce"}, time=now),
        make_prediction(**batch | {"origin": "service"}, time=now),
    ]
    with PredictionLog.open(postgres.new_database()) as log:
        log.write(answers)
        with log.database.reading() as connection:
            rows = connection.execute(text(query.rstrip().rstrip(";"))).mappings().all()
    assert [(row["image_name"], row["label"], row["time"]) for row in rows] == [
        ("a.jpg", "tomato", answers[1].time),
        ("b.jpg", "onion", answers[0].time),
    ]


def test_features_come_back_as_they_were(log, make_prediction):
    predictions = [make_prediction(features=bytes(range(64))), make_prediction()]
    log.write(predictions)
    assert everything(log) == predictions[::-1]


def test_writing_again_changes_nothing(log, make_prediction):
    predictions = [make_prediction() for _ in range(5)]
    log.write(predictions[:3])
    assert log.write([*predictions, predictions[4], replace(predictions[0], label="onion")]) == []
    assert everything(log) == predictions[::-1]


def test_answers_of_a_window_are_counted_by_version(log, make_prediction):
    log.write([make_prediction(model_version=version) for version in ("7", "9", "7")])
    log.write([make_prediction(gate="other", model_version="7")])
    assert log.count_by_version(Window(gate="produce")) == {"7": 2, "9": 1}
    assert log.count_by_version(Window(gate="nobody")) == {}


def test_nothing_can_be_written(log):
    assert log.write([]) == []
    assert log.count() == 0
    assert everything(log) == []


def test_a_log_is_there_when_it_is_opened_again(database_url, make_prediction):
    prediction = make_prediction()
    for _ in range(2):
        with PredictionLog.open(database_url) as log:
            log.write([prediction])
            assert everything(log) == [prediction]


def test_times_are_utc_whatever_the_zone_of_the_database(log, make_prediction):
    with log.database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER ROLE gate SET timezone TO 'Asia/Kathmandu'"))
            connection.commit()
    log.close()
    prediction = make_prediction()
    log.write([prediction])
    (found,) = everything(log)
    assert found.time == prediction.time
    assert found.time.tzinfo is UTC
    kathmandu = prediction.time.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert log.count(Window(until=kathmandu)) == 0
    assert log.count(Window(until=kathmandu + timedelta(microseconds=1))) == 1


def test_names_that_need_care_come_back(log, make_prediction):
    names = [
        "",
        "Kartoffel ä 😀.jpg",
        "'; DROP TABLE predictions; --",
        "../../etc/passwd",
        '%s :name "x" \\',
        "x" * 255,
    ]
    predictions = [make_prediction(image_name=name) for name in names]
    log.write(predictions)
    assert [one.image_name for one in everything(log)] == names[::-1]


@pytest.mark.parametrize("page_rows", [1, 3, 7, 8, 1000])
def test_reading_in_pages_misses_and_repeats_nothing(log, make_prediction, page_rows):
    same = datetime(2026, 3, 4, tzinfo=UTC)
    predictions = [make_prediction(time=same) for _ in range(5)] + [make_prediction(), make_prediction()]
    log.write(predictions)
    pages = list(log.read(Window(), page_rows=page_rows))
    assert [one for page in pages for one in page] == predictions[::-1]
    assert max(map(len, pages)) <= page_rows


def test_rows_that_come_while_it_is_read_do_not_disturb(log, make_prediction):
    predictions = [make_prediction() for _ in range(4)]
    log.write(predictions)
    pages = log.read(Window(), page_rows=2)
    found = next(pages)
    log.write([make_prediction() for _ in range(3)])
    assert found + [one for page in pages for one in page] == predictions[::-1]


def test_windows_choose_by_hours_photos_gate_and_version(log, make_prediction):
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    reasons = {2: "audit", 3: "review"}
    made = {
        hours: make_prediction(
            time=now - timedelta(hours=hours), gate=gate, model_version=version, review_reason=reasons.get(hours)
        )
        for hours, gate, version in [(1, "a", "1"), (2, "a", "2"), (3, "b", "1"), (4, "a", "1"), (5, "a", "2")]
    }
    log.write(list(made.values()))

    def hours(**window):
        found = everything(log, Window(until=now, **window), page_rows=2)
        assert log.count(Window(until=now, **window)) == len(found)
        return [hour for one in found for hour in made if made[hour] == one]

    assert hours() == [1, 2, 3, 4, 5]
    assert hours(hours=3) == [1, 2, 3]
    assert hours(hours=2.5) == [1, 2]
    assert hours(photos=4) == [1, 2, 3, 4]
    assert hours(photos=9) == [1, 2, 3, 4, 5]
    assert hours(gate="a") == [1, 2, 4, 5]
    assert hours(gate="a", photos=3) == [1, 2, 4]
    assert hours(gate="a", model_version="2") == [2, 5]
    assert hours(gate="a", model_version="2", hours=4, photos=1) == [2]
    assert hours(gate="c") == []
    assert hours(gate="a", for_review=True) == [2]
    assert [one.gate for one in everything(log, Window(until=now - timedelta(hours=4)))] == ["a"]


def test_hours_without_an_end_are_those_before_now(log, make_prediction):
    log.write([make_prediction(time=datetime.now(UTC) - timedelta(hours=hours)) for hours in (1, 3)])
    assert log.count(Window(hours=2)) == 1


@pytest.mark.parametrize(
    "window",
    [
        {"hours": 0}, {"hours": -1}, {"hours": float("nan")}, {"hours": 1e300}, {"photos": 0},
        {"model_version": "1"}, {"until": datetime(2026, 1, 1)},
    ],
)  # fmt: skip
def test_impossible_windows_are_refused(window):
    with pytest.raises(ValueError, match="|".join(window)):
        Window(**window)


@pytest.mark.parametrize(
    ("window", "index"),
    [
        (Window(hours=1), "ix_predictions_time"),
        (Window(gate="a", hours=1), "ix_predictions_gate"),
        (Window(gate="a", model_version="1", photos=10), "ix_predictions_model"),
        (Window(gate="a", for_review=True), "ix_predictions_review"),
    ],
)
def test_windows_are_read_by_an_index(tmp_path, make_prediction, window, index):
    with PredictionLog.open(f"sqlite:///{tmp_path / 'log.db'}") as log, log.database.engine.connect() as connection:
        columns = PREDICTIONS.c
        query = prediction_log.select(PREDICTIONS).where(*prediction_log._conditions(window))
        query = prediction_log._after(query, make_prediction()).order_by(columns.time.desc(), columns.id.desc())
        compiled = query.limit(5).compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
        assert index in str(plan)
        assert "TEMP B-TREE" not in str(plan)


def refuse_poison(log):
    """Have the database refuse the label ``poison``."""
    statements = {
        "postgresql": "ALTER TABLE predictions ADD CONSTRAINT no_poison CHECK (label <> 'poison')",
        "sqlite": "CREATE TRIGGER no_poison BEFORE INSERT ON predictions WHEN NEW.label = 'poison' "
        "BEGIN SELECT RAISE(ABORT, 'no_poison'); END",
    }
    with log.database.engine.connect() as connection:
        connection.exec_driver_sql(statements[connection.dialect.name])
        connection.commit()


def test_a_row_that_the_database_refuses_does_not_hold_up_the_others(log, make_prediction):
    refuse_poison(log)
    good, bad, last = (
        make_prediction(),
        make_prediction(label="poison", probabilities={"poison": 0.8}, image_name="secret.jpg"),
        make_prediction(),
    )
    (refusal,) = log.write([good, bad, last])
    assert isinstance(refusal, Refusal)
    assert refusal.prediction == bad
    assert "no_poison" in refusal.reason
    assert "secret" not in refusal.reason
    assert everything(log) == [last, good]


def test_the_migrations_make_what_the_code_expects(log):
    with log.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, METADATA) == []


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
def test_a_log_of_an_older_revision_is_upgraded_and_keeps_its_rows(engine, database_url, make_prediction, revision):
    migrate(engine, revision)
    predictions = [make_prediction(), make_prediction()]
    there = {column["name"] for column in inspect(engine).get_columns("predictions")}
    with engine.begin() as connection:
        for prediction in predictions:
            row = prediction_log._to_row(prediction)
            connection.execute(PREDICTIONS.insert(), {name: row[name] for name in row.keys() & there})
    with PredictionLog.open(database_url) as log:
        assert everything(log) == predictions[::-1]
        names = {index["name"] for index in inspect(log.database.engine).get_indexes("predictions")}
    assert names == {index.name for index in PREDICTIONS.indexes}


def test_every_older_revision_has_its_test():
    (mark,) = test_a_log_of_an_older_revision_is_upgraded_and_keeps_its_rows.pytestmark
    script = ScriptDirectory(str(MIGRATIONS))
    revisions = {revision.revision for revision in script.walk_revisions()}
    assert revisions - set(mark.args[1]) == {script.get_current_head()}


def test_a_migration_that_fails_leaves_the_database_as_it_was(engine, monkeypatch):
    import alembic.op

    def fail(*_args, **_options):
        raise RuntimeError("the power went out")

    with monkeypatch.context() as patch:
        patch.setattr(alembic.op, "create_index", fail)
        with pytest.raises(RuntimeError):
            migrate(engine)
    assert inspect(engine).get_table_names() == []
    migrate(engine)


def test_many_processes_may_open_an_empty_log_at_once(database_url):
    code = (
        "import sys\nfrom quality_gate.monitoring.prediction_log import PredictionLog\n"
        "print('ready', flush=True)\nsys.stdin.read()\n"
        "with PredictionLog.open(sys.argv[1]) as log:\n    print(log.count())\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.close()
    for process in started:
        with process:
            assert process.stdout.read() == "0\n"
        assert process.returncode == 0


def test_a_log_of_a_newer_version_is_left_alone_and_told(log, database_url):
    with log.database.engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.commit()
    with pytest.raises(UserError, match="was written by a newer version of the product"):
        PredictionLog.open(database_url)


def test_the_same_batch_from_two_writers_at_once_is_kept_once(log, database_url, make_prediction):
    predictions = [make_prediction() for _ in range(300)]
    refused = []

    def write():
        with PredictionLog.open(database_url) as own:
            for start in range(0, 300, 50):
                refused.extend(own.write(predictions[start : start + 50]))

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []
    assert everything(log) == predictions[::-1]


def test_ids_are_kept_whole(log, make_prediction):
    identity = UUID("ffffffff-ffff-4fff-bfff-ffffffffffff")
    log.write([make_prediction(id=identity)])
    assert everything(log)[0].id == identity


@pytest.mark.parametrize("url", ["", "junk", "mysql://u:hunter2@h/d", "postgresql://u:hunter2@h:port/d", "sqlite://"])
def test_urls_of_no_log_are_refused_without_repeating_them(url):
    with pytest.raises(UserError) as caught:
        PredictionLog.open(url)
    assert "The URL of the prediction log" in caught.value.message
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_spelling_of_postgresql_gets_the_driver_that_is_installed(scheme):
    assert parse_url(f"{scheme}://h/d").drivername == "postgresql+psycopg"


def test_a_database_that_is_away_is_told_without_the_password(postgres):
    url = f"postgresql://gate:hunter2@127.0.0.1:{postgres.port}/nowhere?password=hunter2"
    with pytest.raises(LogUnavailable) as caught:
        PredictionLog.open(url)
    assert str(caught.value).startswith(f"postgresql://127.0.0.1:{postgres.port}/nowhere: ")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnavailable, match="the folder cannot be made"):
        PredictionLog.open(f"sqlite:///{tmp_path / 'file' / 'log.db'}")


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "log.db").write_bytes(b"junk" * 1000)
    with pytest.raises(LogUnavailable, match="file is not a database"):
        PredictionLog.open(f"sqlite:///{tmp_path / 'log.db'}")
