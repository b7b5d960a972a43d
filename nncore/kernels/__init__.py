"""The public kernels: each usable alone, in somebody else's training loop.

A kernel takes C-contiguous float32 or float64 arrays as they are and converts anything else (lists, integers,
other layouts and byte orders). Outputs go to the `*_out` arguments where they are given. Weights have shape
(in, out); B is the batch, I and O the inputs and outputs of a layer, C the classes. The NumPy twin of each is
in `nncore.reference`.
"""

from nncore.kernels.activations import *  # noqa: F403
from nncore.kernels.activations import __all__ as _activations
from nncore.kernels.classification_losses import *  # noqa: F403
from nncore.kernels.classification_losses import __all__ as _classification_losses
from nncore.kernels.dense import *  # noqa: F403
from nncore.kernels.dense import __all__ as _dense
from nncore.kernels.embedding import *  # noqa: F403
from nncore.kernels.embedding import __all__ as _embedding
from nncore.kernels.factorization import *  # noqa: F403
from nncore.kernels.factorization import __all__ as _factorization
from nncore.kernels.losses import *  # noqa: F403
from nncore.kernels.losses import __all__ as _losses
from nncore.kernels.merging import *  # noqa: F403
from nncore.kernels.merging import __all__ as _merging
from nncore.kernels.metrics import *  # noqa: F403
from nncore.kernels.metrics import __all__ as _metrics
from nncore.kernels.noise import *  # noqa: F403
from nncore.kernels.noise import __all__ as _noise
from nncore.kernels.normalization import *  # noqa: F403
from nncore.kernels.normalization import __all__ as _normalization
from nncore.kernels.optimizers import *  # noqa: F403
from nncore.kernels.optimizers import __all__ as _optimizers
from nncore.kernels.piecewise import *  # noqa: F403
from nncore.kernels.piecewise import __all__ as _piecewise
from nncore.kernels.random import *  # noqa: F403
from nncore.kernels.random import __all__ as _random
from nncore.kernels.regression_losses import *  # noqa: F403
from nncore.kernels.regression_losses import __all__ as _regression_losses
from nncore.kernels.row_activations import *  # noqa: F403
from nncore.kernels.row_activations import __all__ as _row_activations
from nncore.kernels.smooth import *  # noqa: F403
from nncore.kernels.smooth import __all__ as _smooth
from nncore.kernels.weights import *  # noqa: F403
from nncore.kernels.weights import __all__ as _weights

__all__ = sorted(
    [
        *_activations,
        *_classification_losses,
        *_dense,
        *_embedding,
        *_factorization,
        *_losses,
        *_merging,
        *_metrics,
        *_noise,
        *_normalization,
        *_optimizers,
        *_piecewise,
        *_random,
        *_regression_losses,
        *_row_activations,
        *_smooth,
        *_weights,
    ]
)
