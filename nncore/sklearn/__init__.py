"""Estimators for scikit-learn: its multi-layer perceptrons at the speed of the hardware, and factorization machines.

``pip install nncore[sklearn]``; then `MLPClassifier` and `MLPRegressor` replace those of ``sklearn.neural_network``
where only the import changes.
"""

from __future__ import annotations

from nncore.sklearn._convert import from_sklearn
from nncore.sklearn._fm import DeepFMClassifier, FMClassifier, FMRegressor
from nncore.sklearn._many import fit_many
from nncore.sklearn._mlp import MLPClassifier, MLPRegressor

__all__ = ["DeepFMClassifier", "FMClassifier", "FMRegressor", "MLPClassifier", "MLPRegressor", "fit_many",
           "from_sklearn"]
