"""Rows of the table of kernels for embeddings; `nncore.testing` imports them."""
# ruff: noqa: E741

from __future__ import annotations

from typing import Any

import numpy as np

from nncore._table import Draw, Kernel, Shape

# (N, V, D)
_SHAPES: tuple[Shape, ...] = (
    (1, 2, 5), (7, 3, 1), (2, 9, 4), (33, 5, 8), (64, 1000, 16), (17, 40, 33), (131, 30, 3), (257, 1, 7), (5, 12, 1031),
    (300, 100, 2), (65, 64, 129), (40, 39, 31),
)  # fmt: skip
_BIG: Shape = (20011, 3001, 17)


def _ids(draw: Draw, N: int, V: int, beyond: bool = False) -> Any:
    """Return ids, small ones more often than others; the largest one is among them, and some are of no row."""
    ids = draw.classes(N, V) * draw.rng.integers(0, 2, N)
    ids[-1:] = V - 1
    if beyond:
        ids[::3] += draw.rng.choice([0, V, -V - 1, 2**62], len(ids[::3]))
    return ids


_UNSEEN: tuple[dict[str, Any], ...] = ({"unseen": -1}, {"unseen": 0, "mask_zero": True}, {})


def _forward(label: str) -> Kernel:
    def other(V: int) -> dict[str, Any]:
        return {"unseen": V - 1} if label else {}

    return Kernel(
        "embedding_forward",
        lambda draw, N, V, D: {"ids": _ids(draw, N, V, bool(label)), "w": draw.normal(V, D), **other(V)},
        _SHAPES,
        _BIG,
        variants=_UNSEEN if label else ({}, {"mask_zero": True}),
        label=label,
        rowwise=True,
        differentiable=("w",),
        gradient=lambda kernels, dy, y, a: (
            kernels.embedding_backward(dy, a["ids"], None, len(a["w"]), a.get("unseen"), a.get("mask_zero", False)),
        ),
        moved=lambda N, V, D: 2 * N * D,
        baseline=None if label else lambda ids, w: w[ids],
    )


def _backward(name: str, label: str) -> Kernel:
    def other(V: int) -> dict[str, Any]:
        return {"unseen": V - 1} if label else {}

    return Kernel(
        name,
        lambda draw, N, V, D: {
            "dy": draw.normal(N, D), "ids": _ids(draw, N, V, bool(label)), "input_dim": V, **other(V)
        },
        _SHAPES,
        _BIG,
        variants=_UNSEEN if label else ({}, {"mask_zero": True}),
        label=label,
        ulps=0,
        moved=lambda N, V, D: 2 * N * D,
    )


def _add_at(dy: Any, ids: Any, input_dim: int) -> Any:
    dw = np.zeros((input_dim, dy.shape[1]), dy.dtype)
    np.add.at(dw, ids, dy)
    return dw


ROWS: tuple[Kernel, ...] = (
    _forward(""),
    _forward("unseen"),
    *(_backward(name, label)._replace(baseline=None if label else _add_at)
      for name in ("embedding_backward", "embedding_backward_rows") for label in ("", "unseen")),
)
