"""The exact oracle's part for embeddings (docs/bits.md, "Embeddings"): imported by oracle.py."""

import numpy as np

__all__ = ["embedding_backward", "embedding_backward_rows", "embedding_forward"]


def row(i, input_dim, unseen, mask_zero):
    """The row of an id, or None."""
    if not 0 <= i < input_dim:
        i = -1 if unseen is None else unseen
    elif mask_zero and i == 0:
        i = -1
    return None if i < 0 else i


def embedding_forward(elementary, ids, w, unseen=None, mask_zero=False):
    """A copy of each row."""
    found = [row(i, len(w), unseen, mask_zero) for i in ids.ravel().tolist()]
    y = [np.zeros(w.shape[1], w.dtype) if v is None else w[v] for v in found]
    return np.array(y, w.dtype).reshape(*ids.shape, w.shape[1])


def embedding_backward_rows(elementary, dy, ids, input_dim, unseen=None, mask_zero=False):
    """A chain from +0 for each row, in the order of the batch; rows in the order in which they first come."""
    sums = {}
    for i, gradient in zip(ids.ravel().tolist(), dy.reshape(ids.size, dy.shape[-1]), strict=True):
        v = row(i, input_dim, unseen, mask_zero)
        if v is not None:
            sums[v] = sums.get(v, np.zeros(dy.shape[-1], dy.dtype)) + gradient
    return np.array(list(sums), np.int64), np.array(list(sums.values()), dy.dtype).reshape(len(sums), dy.shape[-1])


def embedding_backward(elementary, dy, ids, input_dim, unseen=None, mask_zero=False):
    """The same sums, in the table's order, among zeros."""
    dw = np.zeros((input_dim, dy.shape[-1]), dy.dtype)
    rows, sums = embedding_backward_rows(elementary, dy, ids, input_dim, unseen, mask_zero)
    dw[rows] = sums
    return dw
