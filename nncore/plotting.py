"""Drawings of models: as DOT text, which Graphviz reads, and as SVG, which needs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from nncore.models import Model

__all__ = ["Drawing", "plot_model"]

LINE, PADDING, GAP, LETTER = 16, 10, 40, 7.2  # pixels: a line of text, round it, between boxes, a letter's width


class Node(NamedTuple):
    """A box: what is written in it, and the boxes that lead to it."""

    text: tuple[str, ...]
    parents: tuple[int, ...]
    is_input: bool
    is_output: bool


class Drawing:
    """What `plot_model` returns: the drawing in both forms; a notebook shows it.

    Parameters
    ----------
    nodes : sequence of Node
        The boxes, each behind its parents.

    Examples
    --------
    >>> drawing = Drawing([Node(("Input",), (), True, False), Node(("Dense",), (0,), False, True)])
    >>> print(drawing.dot)
    digraph model {
      node [shape=box, fontname="monospace"];
      0 [label="Input", style=filled, fillcolor="#eef3fb"];
      1 [label="Dense", penwidth=2];
      0 -> 1;
    }
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = list(nodes)

    @property
    def dot(self) -> str:
        """The graph in the DOT language."""
        lines = ["digraph model {", '  node [shape=box, fontname="monospace"];']
        for number, node in enumerate(self.nodes):
            label = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in node.text)
            style = ', style=filled, fillcolor="#eef3fb"' if node.is_input else ""
            lines.append(f'  {number} [label="{label}"{style}{", penwidth=2" if node.is_output else ""}];')
        lines += [f"  {parent} -> {number};" for number, node in enumerate(self.nodes) for parent in node.parents]
        return "\n".join([*lines, "}"])

    @property
    def svg(self) -> str:
        """The graph as an SVG image."""
        places, size = _places(self.nodes)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]:.0f}" height="{size[1]:.0f}" '
            f'font-family="monospace" font-size="12" text-anchor="middle">',
            '<defs><marker id="end" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
            '<path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
            f'<rect width="{size[0]:.0f}" height="{size[1]:.0f}" fill="white"/>',
        ]
        for number, node in enumerate(self.nodes):
            x, y = places[number]
            width, height = _extent(node)
            top, fill, stroke = y - height / 2, "#eef3fb" if node.is_input else "white", 2 if node.is_output else 1
            parts.append(f'<rect x="{x - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
                         f'rx="4" fill="{fill}" stroke="black" stroke-width="{stroke}"/>')
            for line, text in enumerate(node.text):
                parts.append(f'<text x="{x:.1f}" y="{top + PADDING + LINE * (line + 0.75):.1f}">{escape(text)}</text>')
        for way in _ways(self.nodes, places):
            parts.append(f'<path d="{way}" fill="none" stroke="black" marker-end="url(#end)"/>')
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file: ``.svg``, or ``.dot`` or ``.gv`` for Graphviz.

        Parameters
        ----------
        path : path
            The file; its suffix says the format.
        """
        forms = {".svg": "svg", ".dot": "dot", ".gv": "dot"}
        form = forms.get(Path(path).suffix.lower())
        if form is None:
            raise ValueError(f"plot_model: to_file must end in .svg, .dot or .gv, got {os.fspath(path)!r}; "
                             "Graphviz makes other formats of a .dot file")
        Path(path).write_text(getattr(self, form), encoding="utf-8")


def plot_model(model: Model, to_file: str | os.PathLike[str] | None = "model.svg", show_shapes: bool = False,
               show_layer_names: bool = False) -> Drawing:
    """Draw a model's layers and how they are connected.

    Parameters
    ----------
    model : Model
        A built model.
    to_file : path, optional
        Where the drawing is written: ``.svg``, or ``.dot`` or ``.gv`` for Graphviz; None: nowhere.
    show_shapes : bool
        Whether the shapes of the outputs are shown.
    show_layer_names : bool
        Whether the layers' names are shown.

    Returns
    -------
    Drawing
        The drawing, which a notebook shows.

    Examples
    --------
    >>> import nncore as nn
    >>> x = nn.Input((3,), name="x")
    >>> model = nn.Model(x, nn.layers.Add()([x, nn.layers.Dense(3)(x)]))
    >>> print(nn.plot_model(model, to_file=None).dot)
    digraph model {
      node [shape=box, fontname="monospace"];
      0 [label="x (Input)", style=filled, fillcolor="#eef3fb"];
      1 [label="Dense"];
      2 [label="Add", penwidth=2];
      0 -> 1;
      0 -> 2;
      1 -> 2;
    }
    """
    if not isinstance(model, Model):
        raise TypeError(f"plot_model: model must be a Model, got {model!r}")
    model._wants_built("plot_model")
    assert model._graph is not None
    found, shapes = model._graph, model._shapes

    def text(slot: int, title: str, kind: str, named: bool) -> tuple[str, ...]:
        first = f"{title} ({kind})" if named else kind
        return (first, str(shapes[slot])) if show_shapes else (first,)

    names = [model._input_specs[number].name for number in range(len(found.inputs))]
    nodes = [Node(text(slot, name, "Input", True), (), True, slot in found.outputs)
             for slot, name in zip(found.inputs, names, strict=True)]
    seen: set[int] = set()
    for step in found.steps:
        layer = step.layer
        kind = type(layer).__name__ + (" again" if id(layer) in seen else "")
        named = show_layer_names or id(layer) in seen
        seen.add(id(layer))
        nodes.append(Node(text(step.output, str(layer.name), kind, named), step.inputs, False,
                          step.output in found.outputs))
    drawing = Drawing(nodes)
    if to_file is not None:
        drawing.save(to_file)
    return drawing


def _extent(node: Node) -> tuple[float, float]:
    return LETTER * max(map(len, node.text)) + 2 * PADDING, LINE * len(node.text) + 2 * PADDING


def _depths(nodes: Sequence[Node]) -> list[int]:
    """Return the row of each box: one below its lowest parent; an input stands right above its first reader."""
    depths: list[int] = []
    for node in nodes:
        depths.append(max((depths[parent] for parent in node.parents), default=-1) + 1)
    for number, node in enumerate(nodes):
        below = [depths[child] for child, other in enumerate(nodes) if number in other.parents]
        if not node.parents and below:
            depths[number] = min(below) - 1
    return depths


Place = tuple[float, float]


def _places(nodes: Sequence[Node]) -> tuple[dict[Any, Place], Place]:
    """Return the centre of each box, of each place (parent, child, row) where a line passes a row, and the size."""
    depths = _depths(nodes)
    rows: list[list[Any]] = [[] for _ in range(max(depths) + 1)]
    near: dict[Any, list[Any]] = {number: [] for number in range(len(nodes))}  # what a box or a place is linked with
    for number, node in enumerate(nodes):
        rows[depths[number]].append(number)
        for parent in dict.fromkeys(node.parents):
            between = range(depths[parent] + 1, depths[number])
            chain: list[Any] = [parent, *((parent, number, row) for row in between), number]
            for above, below in zip(chain, chain[1:], strict=False):
                near.setdefault(above, []).append(below)
                near.setdefault(below, []).append(above)
            for place in chain[1:-1]:
                rows[place[2]].append(place)
    at: dict[Any, float] = {thing: index for row in rows for index, thing in enumerate(row)}
    for sweep in range(8):  # each thing goes to the mean of its neighbours in the row before, then in the row behind
        order = rows if sweep % 2 == 0 else rows[::-1]
        for before, row in zip(order, order[1:], strict=False):
            means = {thing: _mean([at[other] for other in near[thing] if other in before], at[thing]) for thing in row}
            row.sort(key=means.__getitem__)
            at.update({thing: index - (len(row) - 1) / 2 for index, thing in enumerate(row)})
    widths = [[_extent(nodes[thing])[0] if isinstance(thing, int) else 0.0 for thing in row] for row in rows]
    whole = max(sum(row) + GAP * (len(row) - 1) for row in widths) + 2 * PADDING
    places, y, height = {}, float(PADDING), _extent(nodes[0])[1]  # all boxes have as many lines
    for row, sizes in zip(rows, widths, strict=True):
        x = (whole - sum(sizes) - GAP * (len(row) - 1)) / 2
        for thing, width in zip(row, sizes, strict=True):
            places[thing] = (x + width / 2, y + height / 2)
            x += width + GAP
        y += height + GAP
    return places, (whole, y - GAP + PADDING)


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _ways(nodes: Sequence[Node], places: dict[Any, Place]) -> Iterator[str]:
    """Iterate over the lines: curves from box to box, through the places where they pass rows."""
    depths, half = _depths(nodes), _extent(nodes[0])[1] / 2
    for number, node in enumerate(nodes):
        for parent in dict.fromkeys(node.parents):
            stops = [places[parent, number, row] for row in range(depths[parent] + 1, depths[number])]
            x, y = places[parent]
            way = f"M{x:.1f},{y + half:.1f}"
            for to_x, to_y in [*stops, places[number]]:
                middle = (y + to_y) / 2
                way += f" C{x:.1f},{middle:.1f} {to_x:.1f},{middle:.1f} {to_x:.1f},{to_y - half:.1f}"
                way += f" V{to_y + half:.1f}" if to_y < places[number][1] else ""
                x, y = to_x, to_y
            yield way
