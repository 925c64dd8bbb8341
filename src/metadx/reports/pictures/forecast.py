"""What more labelled cases may bring: the expected adaptation curve with its 80 % interval."""

from __future__ import annotations

from matplotlib.figure import Figure

from metadx.evaluation.forecast import Forecast
from metadx.reports.pictures.canvas import BLUE, SOFT, VERMILLION, axes, draw

_SIZE = (640.0, 360.0)


def forecast_picture(forecast: Forecast) -> str:
    """Expected accuracy at present and with more labelled cases, as SVG."""
    names = [f"{o.shots}" if o.shots else "now" for o in forecast.outlooks]
    values, lows, highs = (
        [100 * getattr(o.accuracy, end) for o in forecast.outlooks] for end in ("value", "low", "high")
    )
    chance = 100 / len(forecast.cases)

    def paint(figure: Figure) -> None:
        ax = axes(figure, 44, 44, 24, 46)
        at = list(range(len(names)))
        ax.fill_between(at, lows, highs, color=BLUE, alpha=0.18, lw=0)
        ax.plot(at, values, color=BLUE, lw=3, marker="o", ms=8, mec="white", clip_on=False)
        for x, y in zip(at, values, strict=True):
            ax.annotate(f"{y:.0f}", (x, y), (0, -20), textcoords="offset points", ha="center", color=BLUE)
        if forecast.measured is not None:
            ax.plot(0, 100 * forecast.measured, "D", ms=7, color=VERMILLION, clip_on=False, zorder=5)
            note = f"◆ your cases, left out in turn: {100 * forecast.measured:.0f}"
            figure.text(1 - 24 / _SIZE[0], 1 - 16 / _SIZE[1], note, ha="right", va="center", color=VERMILLION)
        ax.axhline(chance, color=SOFT, lw=1.2, ls=(0, (1, 2.5)))
        ax.annotate("guessing", (at[-1], chance), (0, 4), textcoords="offset points", ha="right", color=SOFT)
        ax.set_ylim(max(0.0, min(*lows, chance) - 5), 101)
        ax.set_xlim(-0.15, at[-1] + 0.15)
        ax.grid(axis="y", color="#eceef1", lw=0.8)
        ax.set_axisbelow(True)
        ax.spines["left"].set_visible(False)
        ax.set_xticks(at, names)
        ax.set_xlabel("Labelled cases of each condition", labelpad=8)
        figure.text(
            8 / _SIZE[0], 1 - 16 / _SIZE[1], "Accuracy, %, and 80 % interval", weight="bold", va="center"
        )

    spoken = "; ".join(
        f"{name}: {value:.0f} % ({low:.0f} to {high:.0f})"
        for name, value, low, high in zip(names, values, lows, highs, strict=True)
    )
    return draw("forecast", "Expected accuracy against the number of labelled cases", spoken, _SIZE, paint)
