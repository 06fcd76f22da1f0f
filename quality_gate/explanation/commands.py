"""``quality-gate explain``: pictures of what in photos led a model to its answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from quality_gate.errors import UserError
from quality_gate.explanation.settings import Baseline, ExplanationSettings, Method
from quality_gate.home import locate
from quality_gate.ledger import Ledger
from quality_gate.models.manifest import MANIFEST_FILE, ModelManifest
from quality_gate.settings import TrainingSettings

if TYPE_CHECKING:
    from quality_gate.explanation.photos import ExplainedPhoto

_DEFAULTS = ExplanationSettings()
_PAGE = ".html"


@click.command()
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model", default=TrainingSettings().name, show_default=True,
    help="A gate, whose champion explains; or a folder with model.json and its weights.",
)  # fmt: skip
@click.option(
    "--method", "methods", multiple=True, type=click.Choice(get_args(Method)), default=[_DEFAULTS.method],
    show_default=True, help="How the map is made; give it several times to compare.",
)  # fmt: skip
@click.option("--label", default=None, help="The class to explain, instead of each photo's answer.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("explanation.html"), show_default=True,
    help="A page (.html), or a folder for the page and a PNG of each map.",
)  # fmt: skip
@click.option(
    "--baseline", type=click.Choice(get_args(Baseline)), default=_DEFAULTS.baseline, show_default=True,
    help="Of integrated_gradients: the photo without evidence.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(32, 100_000), default=_DEFAULTS.steps, show_default=True,
    help="Of integrated_gradients: most gradients for a map.",
)  # fmt: skip
def explain(
    photos: tuple[Path, ...],
    model: str,
    methods: tuple[Method, ...],
    label: str | None,
    output: Path,
    baseline: Baseline,
    steps: int,
) -> None:
    """Show what in a PHOTO led a model to its answer.

    \b
    class_activation      what each of 7 x 7 places adds to the logit; exact, and at once
    grad_cam              the same for networks that end in another way
    saliency              which pixels the logit is most sensitive to
    integrated_gradients  what each pixel adds to the logit; takes up to minutes a photo
    """  # noqa: D301, click keeps the lines after the character itself as they are
    from quality_gate.explanation.photos import explain_photos
    from quality_gate.progress import ConsoleReporter

    page = _page(output)
    settings = [ExplanationSettings(method=method, baseline=baseline, steps=steps) for method in methods]
    with _model_folder(model) as folder:
        progress = ConsoleReporter().progress("explain")
        explained = explain_photos(folder, photos, settings, label=label, on_progress=progress)
        members = ModelManifest.load(folder).members
    if members:
        click.echo(f"This model is an ensemble; the maps are of its first member, {members[0].architecture}.", err=True)
    if not set(methods) <= set(explained[0].pictures):
        click.echo("This network has no exact class activation maps; Grad-CAM is shown instead.", err=True)
    _write(explained, page, pictures=page != output)
    click.echo(f"What led to the answers is in {page}.")


@contextmanager
def _model_folder(model: str) -> Iterator[Path]:
    from quality_gate.prediction.champion import champion_of
    from quality_gate.registry import Registry
    from quality_gate.tracking import tracking_store

    if Path(model, MANIFEST_FILE).is_file():
        yield Path(model)
        return
    if Path(model).is_dir() or Path(model).name != model:
        raise UserError(f"--model is {model!r}: neither a gate nor a folder with {MANIFEST_FILE}.")
    home = locate()
    champion = champion_of(home, model)
    registry = Registry(model, Ledger(home.registry(model)), tracking_store(home))
    with registry.model_folder(champion) as folder:
        yield folder


def _page(output: Path) -> Path:
    """Where the page will lie, in a folder that is made here: before the work, which may take minutes."""
    page = output if output.suffix == _PAGE else output / "index.html"
    with _written(page.parent):
        page.parent.mkdir(parents=True, exist_ok=True)
    return page


def _write(photos: Sequence[ExplainedPhoto], page: Path, *, pictures: bool) -> None:
    from quality_gate.reports.explanation_page import explanation_page

    with _written(page):
        page.write_text(explanation_page(photos), encoding="utf-8")
        for number, photo in enumerate(photos if pictures else (), start=1):
            for method, picture in photo.pictures.items():
                # The number keeps photos of one name from different folders apart.
                page.with_name(f"{number:03}_{photo.path.stem}_{method}.png").write_bytes(picture)


@contextmanager
def _written(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"--output: {place} cannot be written ({error.strerror}); name a page that ends in {_PAGE}, or a folder."
        ) from None
