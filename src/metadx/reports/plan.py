"""The page of a forecast: one HTML file that needs nothing else."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from metadx.evaluation.forecast import Expected, Forecast
from metadx.reports.pictures.forecast import forecast_picture


def render_plan(forecast: Forecast) -> str:
    """The forecast as HTML; the same forecast gives the same bytes."""
    environment = Environment(
        loader=PackageLoader("metadx.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    picture = Markup(forecast_picture(forecast)) if forecast.outlooks else ""
    return environment.get_template("plan.html").render(f=forecast, picture=picture, percent=_percent)


def _percent(found: Expected) -> str:
    return f"{100 * found.value:.0f} ({100 * found.low:.0f} to {100 * found.high:.0f})"
