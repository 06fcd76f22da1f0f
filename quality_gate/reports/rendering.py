"""From templates, figures and photos to static HTML: no scripts, no outside files, so a page can be kept and mailed."""

import base64
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from quality_gate import __version__
from quality_gate.preprocess import decode

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATES = Path(__file__).parent / "templates"

# Distinguishable with the common colour deficiencies, and in print: Okabe and Ito (2008), without their yellow.
PALETTE: tuple[str, ...] = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b6470")


def render(template: str, /, **context: Any) -> str:
    """Fill a template of :data:`TEMPLATES`.

    Everything is escaped unless the template says otherwise, and a name the template uses but the context lacks is an
    error. Besides Jinja's own filters there are ``count`` (thousands separated), ``percent`` (one decimal) and
    ``decimals(n)``; all three show None and NaN as a dash.

    Args:
        template: file name, such as ``data.html.j2``.
        **context: the names the template uses.

    Returns:
        The page.

    Raises:
        jinja2.UndefinedError: the template uses a name that was not given.
        jinja2.TemplateNotFound: there is no such template.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters()
    environment.globals["product_version"] = __version__
    return environment.get_template(template).render(**context)


def filters() -> dict[str, Callable[..., str]]:
    """The filters of figures that every template knows."""
    return {"count": _count, "percent": _percent, "decimals": _decimals}


def picture(figure: "Figure") -> str:
    """Draw a figure as a data URI of an SVG: sharp on a phone and on paper, the same bytes for the same figure.

    The figure is made with ``matplotlib.figure.Figure``, not with pyplot, which would keep it in memory.

    Returns:
        ``data:image/svg+xml;base64,…``, fit for ``<img src>``.
    """
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "visual-quality-gate"}), warnings.catch_warnings():
        # A class name may be written in a script the font lacks; its boxes are better than no page.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _data_uri("image/svg+xml", buffer.getvalue())


def plain_text(text: str) -> str:
    """A name as matplotlib must be given it to show it as it is: dollar signs would start a formula."""
    return text.replace("$", r"\$")


def photo(data: bytes, size: int) -> str:
    """Make a thumbnail.

    Args:
        data: the encoded photo.
        size: longest edge of the thumbnail, in pixels; a smaller photo keeps its size.

    Returns:
        ``data:image/jpeg;base64,…``, upright, fit for ``<img src>``.

    Raises:
        UnreadableImage: the bytes are no photo; the message says why.
    """
    image = decode(data)
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=82, optimize=True)
    return _data_uri("image/jpeg", buffer.getvalue())


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _is_missing(value: float | None) -> bool:
    # NaN is the one number that differs from itself.
    return value is None or value != value


def _count(value: float | None) -> str:
    return "–" if _is_missing(value) else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "–" if _is_missing(value) else f"{value:.1%}"


def _decimals(value: float | None, places: int = 3) -> str:
    return "–" if _is_missing(value) else f"{value:,.{places}f}"
