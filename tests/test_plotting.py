"""Drawings of models: DOT text, and SVG whose boxes lie apart."""

import xml.etree.ElementTree as ElementTree
from itertools import combinations

import pytest
from test_layers_merging import everything, residual, wide_and_deep

import nncore as nn

SVG = "{http://www.w3.org/2000/svg}"


def boxes(svg):
    """The boxes as (left, top, right, bottom), without the background; and what is written."""
    root = ElementTree.fromstring(svg)
    found = []
    for box in root.findall(f"{SVG}rect")[1:]:
        x, y, width, height = (float(box.get(name)) for name in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    size = float(root.get("width")), float(root.get("height"))
    return found, [text.text for text in root.findall(f"{SVG}text")], root.findall(f"{SVG}path"), size


@pytest.mark.parametrize("make", [everything, residual, wide_and_deep])
def test_every_layer_has_a_box_apart_from_the_others(make):
    model = make()
    drawing = nn.plot_model(model, to_file=None, show_shapes=True, show_layer_names=True)
    found, texts, lines, (width, height) = boxes(drawing.svg)
    uses = len(model._graph.steps)
    assert len(found) == len(model.inputs) + uses and len(texts) == 2 * len(found)
    for layer in model.layers:
        assert f"{layer.name} ({type(layer).__name__})" in texts
    for a, b in combinations(found, 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1], "boxes overlap"
    assert all(0 <= x0 and 0 <= y0 and x1 <= width and y1 <= height for x0, y0, x1, y1 in found)
    assert len(lines) == sum(len(set(step.inputs)) for step in model._graph.steps)


def test_lines_lead_down_from_box_to_box():
    drawing = nn.plot_model(residual(), to_file=None)
    found, _, lines, _ = boxes(drawing.svg)
    bottoms, tops = {round(box[3], 1) for box in found}, {round(box[1], 1) for box in found}
    for line in lines:
        words = line.get("d").replace("M", "").split()
        first, last = float(words[0].split(",")[1]), float(words[-1].split(",")[1])
        assert first in bottoms and last in tops and first < last


def test_shared_layers_are_drawn_for_each_use():
    x = nn.Input((3,), name="x")
    layer = nn.layers.Dense(3, name="twice")
    model = nn.Model(x, layer(layer(x)))
    assert nn.plot_model(model, to_file=None).dot.count('label="twice (Dense again)", penwidth=2') == 1


def test_files(tmp_path):
    model = wide_and_deep()
    for suffix, start in ((".svg", "<svg"), (".dot", "digraph"), (".gv", "digraph")):
        path = tmp_path / f"model{suffix}"
        drawing = nn.plot_model(model, path)
        assert path.read_text().startswith(start)
        assert drawing._repr_svg_() == drawing.svg
    with pytest.raises(ValueError, match="plot_model: to_file must end in .svg, .dot or .gv, got .*png"):
        nn.plot_model(model, tmp_path / "model.png")


def test_what_is_refused_and_escaped():
    with pytest.raises(TypeError, match="plot_model: model must be a Model, got 3"):
        nn.plot_model(3)
    with pytest.raises(ValueError, match="plot_model: the model is not built"):
        nn.plot_model(nn.Sequential([nn.layers.Dense(2)]))
    x = nn.Input((3,), name='a "b" <c> & d')
    drawing = nn.plot_model(nn.Model(x, nn.layers.Dense(2)(x)), to_file=None)
    assert 'a \\"b\\" <c> & d (Input)' in drawing.dot
    assert 'a "b" <c> & d (Input)' in boxes(drawing.svg)[1]
