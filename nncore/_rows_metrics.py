"""Rows of the metrics in the table of kernels, `nncore.testing.KERNELS`."""
# ruff: noqa: E741  (B, I, O, C are the alphabet of shapes)

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nncore._table import Draw, Kernel


def rows() -> tuple[Kernel, ...]:
    """Return the rows."""
    from nncore._table import _BIG_ROWS, _ROWS, Draw, Kernel

    def probabilities(draw: Draw, *shape: int) -> Any:
        return draw.between(0.05, 0.95, *shape)

    def tied(draw: Draw, *shape: int) -> Any:
        return draw.rng.integers(-3, 7, shape).astype(draw.dtype) / 4

    def below(draw: Draw, *shape: int) -> Any:
        return -draw.rng.integers(0, 3, shape).astype(draw.dtype)

    def metric(name: str, prediction: Callable[..., Any], target: Callable[..., Any],
               variants: tuple[dict[str, Any], ...] = ({},), moved: Callable[..., int] | None = None,
               baseline: Callable[..., Any] | None = None, label: str = "", least: int = 1, **scalars: Any) -> Kernel:
        def make(draw: Draw, B: int, C: int) -> dict[str, Any]:
            weight = draw.between(0.25, 1.75, B)
            return {"y_pred": prediction(draw, B, C), "target": target(draw, B, C), "sample_weight": weight, **scalars}

        def elements(B: int, C: int) -> int:
            return B * C if target is Draw.classes else 2 * B * C

        unweighted = {"sample_weight": None}
        shapes = tuple(shape for shape in _ROWS if shape[1] >= least)
        return Kernel(name, make, shapes, _BIG_ROWS, ({**unweighted, **variants[0]}, *variants, unweighted), label,
                      ulps=32, rowwise=True, moved=moved or elements, baseline=baseline)

    one, three = (0.37,), (0.2, 0.5, 0.81)
    return (
        metric("sparse_categorical_accuracy", probabilities, Draw.classes),
        metric("categorical_accuracy", probabilities, Draw.soft),
        metric("sparse_top_k_categorical_accuracy", tied, Draw.classes, ({"k": 5}, {"k": 1}, {"k": 2100})),
        metric("top_k_categorical_accuracy", tied, Draw.soft, ({"k": 2}, {"k": 1}, {"k": 17})),
        metric("accuracy", tied, tied),
        metric("binary_accuracy", probabilities, Draw.bits, threshold=0.3),
        metric("squared_error", Draw.normal, Draw.normal),
        metric("absolute_error", Draw.normal, Draw.normal),
        metric(
            "confusion_counts", tied, Draw.bits,
            ({}, {"thresholds": three}, {"class_id": 0, "thresholds": three}),
            moved=lambda B, C: 2 * B * C + 4 * B, baseline=_confusion_baseline, thresholds=one,
        ),
        metric(
            "confusion_counts", tied, Draw.bits,
            ({"top_k": 3}, {"top_k": 5, "class_id": 6, "thresholds": (-9.0, 0.5)}, {"top_k": 7, "class_id": 2},
             {"top_k": 1}, {"class_id": 5}),
            label="largest", least=7, thresholds=(-np.inf,),
        ),
        metric("class_counts", tied, Draw.soft, ({}, {"threshold": 0.4}), moved=lambda B, C: 5 * B * C),
        metric("class_counts", below, Draw.soft, label="negative"),
        metric("regression_moments", Draw.normal, Draw.normal, moved=lambda B, C: 5 * B * C),
        Kernel("column_sums", lambda draw, B, K: {"x": draw.normal(B, K)}, _ROWS, _BIG_ROWS, ulps=500,
               differentiable=("x",), gradient=lambda kernels, dy, y, a: (np.tile(dy, (len(a["x"]), 1)),),
               moved=lambda B, K: B * K),
    )


def _confusion_baseline(y_pred: Any, target: Any, sample_weight: Any, thresholds: Any) -> Any:
    above, positive = y_pred > thresholds[0], target != 0
    return np.stack([(above & positive).sum(1), (above & ~positive).sum(1), positive.sum(1), (~positive).sum(1)], 1)
