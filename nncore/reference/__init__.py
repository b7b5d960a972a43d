"""NumPy twins of the kernels: same names, same parameters, same effects, in code to learn from.

A twin agrees with its kernel within a tolerance, not to the bit: NumPy sums in its own order.

>>> import numpy as np
>>> from nncore import reference
>>> reference.relu_forward(np.array([-3.0, 2.0]))
array([0., 2.])
"""

from nncore.reference import executor  # noqa: F401 - nncore.reference.executor.Executor is documented by that name
from nncore.reference.activations import (
    bias_activation_forward,
    elu_backward,
    elu_forward,
    exponential_backward,
    exponential_forward,
    gelu_backward,
    gelu_forward,
    hard_sigmoid_backward,
    hard_sigmoid_forward,
    identity_backward,
    identity_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    log_softmax,
    log_softmax_backward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    silu_backward,
    silu_forward,
    softmax,
    softmax_backward,
    softplus_backward,
    softplus_forward,
    tanh_backward,
    tanh_forward,
)
from nncore.reference.dense import dense_backward_input, dense_backward_params, dense_forward
from nncore.reference.losses import (
    binary_cross_entropy,
    categorical_cross_entropy,
    mean_squared_error,
    sigmoid_binary_cross_entropy,
    softmax_cross_entropy,
)
from nncore.reference.metrics import (
    absolute_error,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    squared_error,
)
from nncore.reference.optimizers import (
    adam_step,
    adam_update,
    clip_scale,
    sgd_update,
    square_sums,
    sum_of_squares,
)
from nncore.reference.piecewise import *  # noqa: F403
from nncore.reference.piecewise import __all__ as _piecewise
from nncore.reference.random import permutation, philox4x32, random_words
from nncore.reference.row_activations import *  # noqa: F403
from nncore.reference.row_activations import __all__ as _row_activations
from nncore.reference.smooth import *  # noqa: F403
from nncore.reference.smooth import __all__ as _smooth

__all__ = [
    "absolute_error",
    "adam_step",
    "adam_update",
    "bias_activation_forward",
    "binary_accuracy",
    "binary_cross_entropy",
    "categorical_accuracy",
    "categorical_cross_entropy",
    "clip_scale",
    "dense_backward_input",
    "dense_backward_params",
    "dense_forward",
    "elu_backward",
    "elu_forward",
    "exponential_backward",
    "exponential_forward",
    "gelu_backward",
    "gelu_forward",
    "hard_sigmoid_backward",
    "hard_sigmoid_forward",
    "identity_backward",
    "identity_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "log_softmax",
    "log_softmax_backward",
    "mean_squared_error",
    "permutation",
    "philox4x32",
    "random_words",
    "relu_backward",
    "relu_forward",
    "sgd_update",
    "sigmoid_backward",
    "sigmoid_binary_cross_entropy",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "softplus_backward",
    "softplus_forward",
    "sparse_categorical_accuracy",
    "square_sums",
    "squared_error",
    "sum_of_squares",
    "tanh_backward",
    "tanh_forward",
]
__all__ += [*_piecewise, *_row_activations, *_smooth]
