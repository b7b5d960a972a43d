"""Rows of the table of kernels (nncore/testing.py): the activations of smooth.py, piecewise.py, row_activations.py."""
# ruff: noqa: E741  (B, C are the alphabet of shapes)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["rows"]

Array = NDArray[Any]
GELU = (2 / np.pi) ** 0.5


def rows() -> tuple[Any, ...]:
    """Return the rows; called by nncore/testing.py, whose parts they are made of."""
    from nncore import _table
    from nncore import testing as t

    def pair(
        name: str,
        domain: tuple[float, float],
        wants: str = "y",
        baseline: Callable[..., Any] | None = None,
        backward: tuple[str, ...] | None = None,
        **scalars: float,
    ) -> tuple[Any, ...]:
        """Make the rows of `<name>_forward` and `<name>_backward`.

        `domain` is of what the derivative wants, `backward` names the scalars that it takes (by default all).
        """
        kept = {key: value for key, value in scalars.items() if backward is None or key in backward}

        def gradient(kernels: Any, dy: Array, y: Array, a: dict[str, Any]) -> tuple[Array, ...]:
            saved = {"y": y} if wants == "y" else {"x": a["x"]}
            return (getattr(kernels, f"{name}_backward")(dy, **saved, **kept),)

        shared: dict[str, Any] = {"shapes": _table._ELEMENTS, "big": _table._BIG_ELEMENTS, "rowwise": True}
        return (
            t.Kernel(
                f"{name}_forward",
                lambda draw, *shape: {"x": draw.normal(*shape, scale=3), **scalars},
                differentiable=("x",),
                gradient=gradient,
                moved=lambda *shape: 2 * int(np.prod(shape)),
                baseline=baseline,
                **shared,
            ),
            t.Kernel(
                f"{name}_backward",
                lambda draw, *shape: {"dy": draw.normal(*shape), wants: draw.between(*domain, *shape), **kept},
                moved=lambda *shape: 3 * int(np.prod(shape)),
                **shared,
            ),
        )

    sign, _ = pair("sign", (0, 1), baseline=lambda x: np.sign(x))
    by_rows: dict[str, Any] = {"shapes": _table._ROWS, "big": _table._BIG_ROWS}
    return (
        *pair("relu6", (-1, 7), baseline=lambda x: np.clip(x, 0, 6)),
        *pair(
            "celu",
            (-0.3, 3),
            baseline=lambda x, alpha: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha),
            alpha=0.3,
        ),
        *pair("selu", (-1.7, 3), baseline=lambda x: 1.0507009873554805 * np.where(
            x > 0, x, 1.6732632423543772 * np.expm1(x))),
        *pair("softsign", (-1, 1), baseline=lambda x: x / (1 + np.abs(x))),
        *pair("log_sigmoid", (-9, 0), baseline=lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))),
        *pair("squareplus", (0.01, 9), baseline=lambda x, b: (x + np.sqrt(x * x + b)) / 2, b=2.3),
        *pair("gelu_tanh", (-6, 6), "x", lambda x: 0.5 * x * (1 + np.tanh(GELU * (x + 0.044715 * x * x * x)))),
        *pair("mish", (-6, 6), "x", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
        *pair("tanh_shrink", (-6, 6), "x", lambda x: x - np.tanh(x)),
        *pair("hard_tanh", (-1.3, 1.3), baseline=lambda x: np.clip(x, -1, 1)),
        *pair(
            "hard_shrink",
            (-3, 3),
            baseline=lambda x, threshold: np.where(np.abs(x) > threshold, x, 0),
            backward=(),
            threshold=0.7,
        ),
        *pair(
            "soft_shrink",
            (-3, 3),
            baseline=lambda x, threshold: np.sign(x) * np.maximum(np.abs(x) - threshold, 0),
            backward=(),
            threshold=0.7,
        ),
        *pair("sparse_plus", (-0.2, 2), baseline=lambda x: np.where(
            x <= -1, 0, np.where(x >= 1, x, (x + 1) * (x + 1) / 4))),
        *pair("sparse_sigmoid", (-0.2, 1.2), baseline=lambda x: np.clip(0.5 * (x + 1), 0, 1)),
        *pair("hard_silu", (-5, 5), "x", lambda x: x * np.clip(x + 3, 0, 6) / 6),
        *pair(
            "general_relu",
            (-5, 5),
            "x",
            lambda x, negative_slope, max_value, threshold: np.where(
                x > threshold, np.minimum(x, max_value), negative_slope * (x - threshold)),
            negative_slope=0.3,
            max_value=3.7,
            threshold=0.9,
        ),
        *pair(
            "threshold",
            (-3, 3),
            "x",
            lambda x, threshold, default_value: np.where(x > threshold, x, default_value),
            backward=("threshold",),
            threshold=0.7,
            default_value=-1.3,
        ),
        sign._replace(differentiable=(), gradient=None),
        t.Kernel(
            "prelu_forward",
            lambda draw, B, C: {"x": draw.normal(B, C), "alpha": draw.normal(C, scale=0.3)},
            **by_rows,
            differentiable=("x", "alpha"),
            gradient=lambda kernels, dy, y, a: kernels.prelu_backward(dy, a["x"], a["alpha"]),
            rowwise=True,
            moved=lambda B, C: 2 * B * C + C,
            baseline=lambda x, alpha: np.maximum(x, 0) + alpha * np.minimum(x, 0),
        ),
        *_prelu_backward(t, by_rows),
        t.Kernel(
            "prelu_forward",
            lambda draw, B, C: {"x": draw.normal(B, 2, C, 3), "alpha": draw.normal(1, C, 1, scale=0.3)},
            **by_rows,
            label="shared",
            differentiable=("x", "alpha"),
            gradient=lambda kernels, dy, y, a: kernels.prelu_backward(dy, a["x"], a["alpha"]),
            rowwise=True,
            moved=lambda B, C: 12 * B * C + C,
            baseline=lambda x, alpha: np.maximum(x, 0) + alpha * np.minimum(x, 0),
        ),
        t.Kernel(
            "sparsemax",
            lambda draw, B, C: {"x": draw.normal(B, C)},
            **by_rows,
            ulps=64,
            differentiable=("x",),
            gradient=lambda kernels, dy, y, a: (kernels.sparsemax_backward(dy, y),),
            rowwise=True,
            moved=lambda B, C: 2 * B * C,
        ),
        t.Kernel(
            "sparsemax_backward",
            lambda draw, B, C: {"dy": draw.normal(B, C), "y": np.maximum(draw.between(-0.5, 0.5, B, C), 0)},
            **by_rows,
            ulps=64,
            rowwise=True,
            moved=lambda B, C: 3 * B * C,
        ),
        t.Kernel(
            "glu_forward",
            lambda draw, B, C: {"x": draw.normal(B, 2 * C, scale=3)},
            **by_rows,
            differentiable=("x",),
            gradient=lambda kernels, dy, y, a: (kernels.glu_backward(dy, a["x"]),),
            rowwise=True,
            moved=lambda B, C: 3 * B * C,
            baseline=lambda x: x[:, : x.shape[1] // 2] / (1 + np.exp(-x[:, x.shape[1] // 2 :])),
        ),
        t.Kernel(
            "glu_backward",
            lambda draw, B, C: {"dy": draw.normal(B, C), "x": draw.normal(B, 2 * C, scale=3)},
            **by_rows,
            rowwise=True,
            moved=lambda B, C: 5 * B * C,
        ),
        t.Kernel(
            "move_axis_forward",
            lambda draw, B, C: {"x": draw.normal(B, 2, C, 19)},
            **by_rows,
            variants=({"axis": 2}, {"axis": 1}, {"axis": -1}),
            ulps=0,
            differentiable=("x",),
            gradient=lambda kernels, dy, y, a: (kernels.move_axis_backward(dy, axis=a["axis"]),),
            rowwise=True,
            moved=lambda B, C: 76 * B * C,
        ),
        t.Kernel(
            "move_axis_backward",
            lambda draw, B, C: {"dy": draw.normal(B, 2, C, 19)},
            **by_rows,
            variants=({"axis": 2}, {"axis": 1}, {"axis": -1}),
            ulps=0,
            rowwise=True,
            moved=lambda B, C: 76 * B * C,
        ),
    )


def _prelu_backward(t: Any, by_rows: dict[str, Any]) -> tuple[Any, ...]:
    """Make the rows of `prelu_backward`: a slope per column, per column of a wider input, and shared in two places."""
    def row(label: str, inner: Callable[[int], tuple[int, ...]], slopes: Callable[[int], tuple[int, ...]]) -> Any:
        return t.Kernel(
            "prelu_backward",
            lambda draw, B, C: {
                "dy": draw.normal(B, *inner(C), scale=max(B, 1) ** -0.5),
                "x": draw.normal(B, *inner(C)),
                "alpha": draw.normal(*slopes(C), scale=0.3),
            },
            # Two chunks of 512 rows, and more columns than a block.
            (*by_rows["shapes"], (1027, 18), (513, 3)),
            by_rows["big"],
            label=label,
            ulps=500,
            moved=lambda B, C: 3 * B * int(np.prod(inner(C))),
        )

    return (
        row("", lambda C: (C,), lambda C: (C,)),
        row("shared", lambda C: (2, C, 3), lambda C: (1, C, 1)),
        row("alternate", lambda C: (3, 2, C), lambda C: (3, 1, C)),
    )
