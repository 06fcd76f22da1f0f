"""``quality-gate``: what is neither ``zenml`` nor ``bentoml``."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quality_gate.errors import UserError
from quality_gate.explanation.commands import explain
from quality_gate.home import locate
from quality_gate.ledger import LEDGER_FILE, Ledger
from quality_gate.schedules.commands import schedule
from quality_gate.settings import TrainingSettings

if TYPE_CHECKING:
    pass

DEFAULT_NAME = TrainingSettings().name

name_option = click.option(
    "--name", default=DEFAULT_NAME, show_default=True, help="The gate, as in `name:` of zenml.yaml."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="visual-quality-gate")
def main() -> None:
    """Look at a gate's champion, deploy it, go back, explain answers, exchange labels, watch drift, plan runs.

    Training is `zenml pipeline run training`; serving is `bentoml serve NAME:latest`.
    """


main.add_command(explain)
main.add_command(schedule)


@main.command()
@name_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def status(name: str, as_json: bool) -> None:
    """Show the champion, what the gate said last, and the history."""
    from quality_gate.reports.status import status_json, status_text

    ledger = _ledger(name)
    click.echo(json.dumps(status_json(name, ledger), indent=2) if as_json else status_text(name, ledger, locate()))


@main.command()
@name_option
@click.option("--url", default=None, help="Wait until the server at this address answers with the champion.")
def deploy(name: str, url: str | None) -> None:
    """Pack the champion, and have running servers take it without dropping a request."""
    from quality_gate.deployment import WAIT_SECONDS, check_address, wait_until_served
    from quality_gate.registry import Registry
    from quality_gate.tracking import tracking_store

    if url is not None:
        check_address(url)  # before the work
    build, ledger = _packager(), _ledger(name)
    champion = ledger.champion()
    if champion is None or champion.version is None:
        raise UserError(f"{name} has no champion yet; see quality-gate status --name {name}")
    with Registry(name, ledger, tracking_store(locate())).model_folder(champion) as folder:
        tag = build(folder, name=name)
    click.echo(f"{name}:{champion.version} is packed as {tag}.")
    if url is not None:
        click.echo(f"Waiting up to {WAIT_SECONDS:g} s for {url} to serve it.")
        wait_until_served(url, champion.version)
        click.echo(f"{url} answers with {name}:{champion.version}.")
    else:
        _say_how_to_serve(name)


@main.command()
@name_option
def rollback(name: str) -> None:
    """Make the former champion champion again, after it has answered its golden photos as it did."""
    from quality_gate.registry import Registry
    from quality_gate.tracking import tracking_store

    build = _packager()
    registry = Registry(name, _ledger(name), tracking_store(locate()))
    champion, tag = registry.rollback(lambda folder: build(folder, name=name))
    click.echo(f"{name}:{champion.version} is champion again, packed as {tag}.")
    _say_how_to_serve(name)
    for mirror in entry_points(group="quality_gate.champion_changed"):
        try:
            mirror.load()(name, champion.version)
        except Exception as error:  # the champion is what the ledger says; a mirror that is away changes nothing
            click.echo(f"Warning: {mirror.name} does not show the new champion yet ({error}).", err=True)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--train", "train_per_class", default=160, show_default=True, help="Training photos a class.")
@click.option("--test", "test_per_class", default=60, show_default=True, help="Test photos a class.")
@click.option("--seed", default=7, show_default=True, help="Another seed gives other photos.")
@click.option("--shift", default=None, help="A known shift: dark, warm, blur or new_background.")
def demo(folder: Path, train_per_class: int, test_per_class: int, seed: int, shift: str | None) -> None:
    """Paint labelled market scenes into a new FOLDER."""
    from quality_gate.data.scenes import NO_SHIFT, named_shift, write_demo_photos
    from quality_gate.progress import ConsoleReporter

    count = write_demo_photos(
        folder,
        train_per_class=train_per_class,
        test_per_class=test_per_class,
        seed=seed,
        shift=named_shift(shift) if shift else NO_SHIFT,
        on_progress=ConsoleReporter().progress("demo photos"),
    )
    click.echo(f"{count} photos in {folder}.")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def cifar10(folder: Path) -> None:
    """Download the 60,000 photos of CIFAR-10 into a new FOLDER."""
    from quality_gate.data.cifar10 import download_cifar10
    from quality_gate.progress import ConsoleReporter

    count = download_cifar10(folder, on_progress=ConsoleReporter().progress("CIFAR-10"))
    click.echo(f"{count} photos in {folder}.")


@main.group()
def labels() -> None:
    """Take what people said of photos out as CSV, and bring in what they said elsewhere."""


@labels.command("export")
@name_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def export_file(name: str, file: Path) -> None:
    """Write the reviews of a gate, and the photos that wait for one, into FILE."""
    from quality_gate.monitoring.log_settings import log_database
    from quality_gate.review.labels_file import export_labels
    from quality_gate.review.reading import Reviews
    from quality_gate.review.settings import read_review_settings

    _ledger(name)  # of a name that is no gate the log knows nothing, which would pass for a gate without answers
    with log_database() as database:
        came = export_labels(file, Reviews(database, name), read_review_settings().open_photos())
    click.echo(
        f"{came.rows} rows in {file}; fill the column label of those that have none, and bring it back with import."
    )
    if came.gone:
        click.echo(f"{came.gone} photos more were for review; their files are gone, as too old or too many.")


@labels.command("import")
@name_option
@click.option("--reviewer", default=None, help="Who gave the labels of rows that name nobody; you, if left out.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def import_file(name: str, reviewer: str | None, file: Path) -> None:
    """Add the labels in FILE: all of them, or none where a row is wrong."""
    from quality_gate.monitoring.log_settings import log_database
    from quality_gate.review.desk import ReviewDesk
    from quality_gate.review.labels_file import import_labels
    from quality_gate.review.reading import Reviews
    from quality_gate.review.verdict import local_reviewer

    champion = _ledger(name).champion()
    if champion is None:
        raise UserError(f"{name} has no champion yet, so no classes; see quality-gate status --name {name}")
    with log_database() as database:
        desk, reviews = ReviewDesk(database, name, classes=champion.classes), Reviews(database, name)
        came = import_labels(file, desk, reviews, gate=name, reviewer=reviewer or local_reviewer())
    click.echo(f"{came.new} labels added, {came.known} known already, {came.empty} rows without a label.")


@main.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8100,
    show_default=True,
    help="Of this machine; only it is answered.",
)
def monitor(port: int) -> None:
    """Show the windows of drift runs over time, in Evidently's pages."""
    from quality_gate.drift.evidently import serve_workspace

    serve_workspace(locate().evidently, port, announce=click.echo)


def _say_how_to_serve(name: str) -> None:
    click.echo(f"Servers of {name}:latest take it now; start one with: bentoml serve {name}:latest")


def _ledger(name: str) -> Ledger:
    home = locate()
    gates = sorted(path.parent.name for path in home.registry(DEFAULT_NAME).parent.glob(f"*/{LEDGER_FILE}"))
    if name not in gates:
        known = f"the gates trained so far are {', '.join(gates)}" if gates else "nothing was trained yet"
        raise UserError(f"There is no gate {name!r}; {known}. Train one with: zenml pipeline run training")
    return Ledger(home.registry(name))


def _packager() -> Callable[..., str]:
    found = next(iter(entry_points(group="quality_gate.packager")), None)
    if found is None:
        raise UserError("No packager is installed; reinstall the project with: make install")
    build: Callable[..., str] = found.load()
    return build
