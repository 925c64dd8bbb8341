"""Whether the stated confidence can be believed: confidence against how often it was right."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from metadx.evaluation.result import CalibrationBin, EvaluationResult
from metadx.reports import reading
from metadx.reports.pictures.canvas import COLOURS, MARKERS, SOFT, axes, draw

_SIZE = (420.0, 400.0)


def calibration(result: EvaluationResult, shot: int) -> str:
    """Reliability of the recommended method and the strongest baseline at one number of shots, as SVG."""
    pair = reading.compared(result, shot)
    most = max((b.cases for b in result.calibration), default=1)

    def paint(figure: Figure) -> None:
        ax = axes(figure, 52, 34, 18, 44)
        ax.set_xlim(0, 100)
        ax.set_ylim(0, 100)
        ax.set_xticks(range(0, 101, 25), [f"{t} %" for t in range(0, 101, 25)], fontsize=11)
        ax.set_yticks(range(0, 101, 25), [f"{t} %" for t in range(0, 101, 25)], fontsize=11)
        ax.tick_params(pad=6)
        ax.grid(color="#eceef1", lw=0.8)
        ax.set_axisbelow(True)
        ax.plot([0, 100], [0, 100], color="#aab0b8", lw=1.2)
        soft: dict[str, Any] = {"color": SOFT, "fontsize": 11}
        ax.text(4, 94, "less sure than it should be", **soft)
        ax.text(97, 4, "surer than it should be", ha="right", **soft)
        ax.set_xlabel("How sure the method was", labelpad=8)
        ax.text(-0.1, 1.045, "How often it was right", transform=ax.transAxes)
        for name in reversed(pair):
            bins = bins_of(result, name, shot)
            role = reading.role(result, name, shot)
            x, y = [100 * b.confidence for b in bins], [100 * b.accuracy for b in bins]
            line = "--" if role == "baseline" else "-"
            ax.plot(x, y, line, color=COLOURS[role], lw=2 if role != "baseline" else 1.6, clip_on=False)
            areas = [24 + 90 * b.cases / most for b in bins]
            ax.scatter(
                x,
                y,
                s=areas,
                marker=MARKERS[role],
                color=COLOURS[role],
                edgecolor="white",
                lw=1,
                clip_on=False,
                zorder=3,
            )

    parts = []
    for name in pair:
        points = "; ".join(
            f"{100 * b.confidence:.0f} % sure, right {100 * b.accuracy:.0f} %"
            for b in bins_of(result, name, shot)
        )
        parts.append(f"{reading.title(result, name)}: {points or 'no values'}.")
    title = f"How sure the methods were, and how often right, with {shot} labelled per condition"
    return draw(f"calibration-{shot}", title, " ".join(parts), _SIZE, paint)


def bins_of(result: EvaluationResult, method: str, shot: int) -> list[CalibrationBin]:
    """Bins of one method at one number of shots that hold cases, least sure first."""
    bins = [b for b in result.calibration if (b.method, b.shots) == (method, shot)]
    usable = (
        b for b in bins if b.cases and None not in (reading.known(b.confidence), reading.known(b.accuracy))
    )
    return sorted(usable, key=lambda b: b.confidence)
