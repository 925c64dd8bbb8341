"""Drawing to SVG that can stand inside a page: same input, same bytes; own ids; a title to read aloud."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from io import StringIO
from xml.etree import ElementTree

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, VERMILLION, GREY, PALE, INK, SOFT = "#0072B2", "#C24E00", "#858b93", "#e3e6ea", "#20262d", "#59616b"
COLOURS = {"recommended": BLUE, "baseline": VERMILLION, "both": BLUE, "other": GREY}
MARKERS = {"recommended": "o", "baseline": "D", "both": "o", "other": "o"}
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "font.family": ["DejaVu Sans"],
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": "#aab0b8",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def draw(
    name: str, title: str, description: str, size: tuple[float, float], paint: Callable[[Figure], None]
) -> str:
    """A picture as an SVG element for use inside HTML.

    Args:
        name: prefix of every id in the picture, unique on the page.
        title, description: what is read aloud in its place.
        size: width and height in CSS pixels at full size.
        paint: draws on an empty figure whose unit is such a pixel.
    """
    buffer = StringIO()
    with style.context(["default", {**_STYLE, "svg.hashsalt": name}]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*Glyph .* missing")
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=72)
        paint(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), name, title, description)


def axes(figure: Figure, left: float, top: float, right: float, bottom: float) -> Axes:
    """Axes with margins given in pixels."""
    width, height = figure.get_size_inches() * 72
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    return figure.add_axes(box)


def _inline(svg: str, name: str, title: str, description: str) -> str:
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in list(parent):
            if _local(child.tag) in {"metadata", "style"}:
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        attributes = {_local(key): value for key, value in element.attrib.items()}
        element.attrib.clear()
        element.attrib.update({key: _own(key, value, name) for key, value in attributes.items()})
    box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update(
        {
            "id": name,
            "viewBox": box,
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-desc",
            "style": "stroke-linejoin: round; stroke-linecap: butt",
        }
    )
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(place, element)
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _own(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value.removeprefix('#')}"
    return re.sub(r"url\(#", f"url(#{name}-", value)
