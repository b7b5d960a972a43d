"""What classifying and predicting numbers are, whatever the network: targets, losses, and what `predict` returns."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from nncore import losses
from nncore.sklearn._base import BaseNet
from nncore.sklearn._losses import BinaryLogLoss, HalfPoissonDeviance, HalfSquaredError, LogLoss
from nncore.sklearn._network import MEAN_AND_VARIANCE
from nncore.sklearn._training import HeldOut

__all__ = ["Classifier", "Regressor"]

DISTRIBUTIONS = (losses.CategoricalCrossentropy, losses.SparseCategoricalCrossentropy,
                 losses.CategoricalFocalCrossentropy, losses.KLDivergence)  # which compare those over all classes
MARGINS = (losses.Hinge, losses.SquaredHinge, losses.CategoricalHinge, losses.PerceptronLoss)  # of scores
PROBABILITIES = ("softmax", "logistic", "sigmoid")  # output activations whose outputs are probabilities


def _stochastic(estimator: Any) -> bool:
    """Return whether `partial_fit` exists, as scikit-learn asks."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
    return True


def _gives_scores(estimator: Any) -> bool:
    """Return whether outputs are no probabilities, whose threshold is 0."""
    if estimator.output_activation is None:
        return isinstance(_named_loss(estimator.loss), MARGINS)
    return not (isinstance(estimator.output_activation, str) and estimator.output_activation in PROBABILITIES)


def _gives_probabilities(estimator: Any) -> bool:
    """Return whether outputs are probabilities, or say why not."""
    if _gives_scores(estimator):
        raise AttributeError(f"loss={estimator.loss!r} with output_activation={estimator.output_activation!r} gives no "
                             "probabilities")
    return True


class Classifier(ClassifierMixin, BaseNet):
    """What a network that classifies adds to `BaseNet`."""

    # ------------------------------------------------------------------ fit
    @available_if(_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None,
                    eval_set: Any = None) -> Self:
        """Train for one epoch.

        Parameters
        ----------
        X, y, sample_weight, eval_set
            As of `fit`.
        classes : array-like of shape (n_classes,), default=None
            All class labels; needed in the first call.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, eval_set, incremental=True, classes=classes)

    def _begin(self, y: Any, classes: Any) -> None:
        """Set `classes_` in the first `partial_fit`; check that later ones name the same."""
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)

    def _encode(self, y: Any, incremental: bool) -> NDArray[Any]:
        """Return zeros and ones; set `classes_`, or check that they are those of the fit before."""
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer()
            if y.ndim == 1 and y.dtype.kind in "biuU" and len(classes := np.unique(y)) < len(y) / 2:
                return self._encode_plain(y, classes)
            self._label_binarizer.fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            classes = unique_labels(y)
            if self.warm_start and not incremental:
                if set(classes) != set(self.classes_):
                    raise ValueError("warm_start can only be used where `y` has the same classes as in the previous "
                                     f"call to fit. Previously got {self.classes_}, `y` has {classes}")
            elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
                raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' "
                                 f"has {classes}.")
        return np.asarray(self._label_binarizer.transform(y)).astype(bool)

    def _encode_plain(self, y: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
        """Do what the binarizer does, for labels of which there is nothing to check: it looks for them five times."""
        binarizer = self._label_binarizer
        self.classes_ = binarizer.classes_ = classes
        binarizer.y_type_, binarizer.sparse_input_ = "binary" if len(classes) <= 2 else "multiclass", False
        if len(classes) <= 2:
            return (y == classes[-1]).reshape(-1, 1) & (len(classes) == 2)
        return np.eye(len(classes), dtype=np.bool_)[np.searchsorted(classes, y)]

    def _out_activation(self) -> str:
        if isinstance(_named_loss(self.loss), MARGINS):
            return "identity"
        return "softmax" if self.n_outputs_ > 1 and not self._multilabel() else "logistic"

    def _width(self, encoded: NDArray[Any]) -> int:
        """Return the number of outputs: of two classes one, but two where outputs are a distribution over them."""
        if self._label_binarizer.y_type_ == "binary" and (
                self.output_activation == "softmax" or isinstance(_named_loss(self.loss), DISTRIBUTIONS)):
            return 2
        return encoded.shape[1]

    def _multilabel(self) -> bool:
        return self._label_binarizer.y_type_.startswith("multilabel")

    def _make_loss(self) -> losses.Loss:
        """Return the loss."""
        if isinstance(self.loss, str) and self.loss == "log_loss":
            if self.n_outputs_ > 1 and not self._multilabel():
                return LogLoss(reduction="mean_with_sample_weight")
            return BinaryLogLoss(reduction="mean_with_sample_weight")
        return _own_loss(self.loss)

    def _targets(self, encoded: NDArray[Any], dtype: str) -> NDArray[Any]:
        """Return targets as the loss takes them."""
        if self.n_outputs_ > encoded.shape[1]:  # of two classes
            encoded = np.hstack([~encoded, encoded])
        if self._make_loss().target_kind == "ids":
            return encoded.argmax(axis=1)
        return encoded.astype(dtype)

    def _decode(self, encoded: NDArray[Any]) -> NDArray[Any]:
        """Return labels."""
        return self._label_binarizer.inverse_transform(encoded)

    def _weigh(self, y: Any, weight: NDArray[Any] | None) -> NDArray[Any] | None:
        """Return the rows' weights times those of their classes."""
        if self.class_weight is None:
            return weight
        if isinstance(self.class_weight, str) and weight is not None and y.ndim == 1:  # a weight is a repetition
            codes = np.searchsorted(self.classes_, y)
            of_class = np.bincount(codes, weights=weight, minlength=len(self.classes_))
            with np.errstate(divide="ignore", invalid="ignore"):
                found = (weight.sum() / (np.count_nonzero(of_class) * of_class))[codes]
            found[weight == 0] = 0
        else:
            found = compute_sample_weight(self.class_weight, y)
        if (found < 0).any():
            raise ValueError(f"class_weight must not be negative, got {self.class_weight!r}")
        return found if weight is None else found * weight

    def _score_outputs(self, held_out: HeldOut) -> float:
        """Return the accuracy."""
        if not np.isfinite(held_out.outputs).all():
            return float("nan")
        found, wanted = self._label(held_out.outputs), held_out.y
        hits = abs(found - wanted).sum(axis=1) == 0 if self._multilabel() else found == wanted  # perhaps sparse
        return float(np.average(np.asarray(hits).reshape(-1), weights=held_out.weight))

    # ------------------------------------------------------------------ rows
    def _label(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return class labels for outputs."""
        middle = 0.5 if self.out_activation_ in (*PROBABILITIES, "hard_sigmoid") else 0.0
        if self._multilabel():
            found = (outputs > middle).astype(int)
            return scipy.sparse.csr_matrix(found) if self._label_binarizer.sparse_input_ else found
        if outputs.shape[1] == 1:
            if len(self.classes_) == 1:
                return np.repeat(self.classes_[0], len(outputs))
            return self.classes_[(outputs[:, 0] > middle).astype(int)]
        return self.classes_[outputs.argmax(axis=1)]

    def predict(self, X: Any) -> NDArray[Any]:
        """Return class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            An indicator matrix of multi-label classification.
        """
        return self._label(self._outputs(X))

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        found = self._outputs(X)
        if self._multilabel():  # certain to the last bit it may be, but scikit-learn wants it between 0 and 1
            limits = np.finfo(found.dtype)
            return found.clip(limits.tiny, 1 - limits.epsneg)
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithms of `predict_proba`."""
        found = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return np.log(found, out=found)

    @available_if(_gives_scores)
    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return outputs that are no probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            The larger, the likelier a class; of two classes, the second one.
        """
        found = self._outputs(X)
        return found[:, 0] if found.shape[1] == 1 else found

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class Regressor(RegressorMixin, BaseNet):
    """What a network that predicts numbers adds to `BaseNet`."""

    # ------------------------------------------------------------------ fit
    @available_if(_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> Self:
        """Train for one epoch; parameters as of `fit`."""
        return self._fit(X, y, sample_weight, eval_set, incremental=True)

    def _encode(self, y: Any, incremental: bool) -> NDArray[Any]:
        """Return targets of two dimensions."""
        if y.dtype.kind not in "biuf":
            raise ValueError(f"y must hold numbers, got {y.dtype}")
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _decode(self, encoded: NDArray[Any]) -> NDArray[Any]:
        """Return what a scorer takes for targets."""
        return encoded[:, 0] if encoded.shape[1] == 1 else encoded

    def _width(self, encoded: NDArray[Any]) -> int:
        """Return the number of outputs, of which some losses want more than one for a target."""
        loss = self._make_loss()
        if isinstance(loss, losses.QuantileLoss):
            return encoded.shape[1] * np.size(loss.quantiles)
        return encoded.shape[1] * (2 if isinstance(loss, losses.GaussianNLLLoss) else 1)

    def _out_activation(self) -> str:
        loss = self._make_loss()
        if isinstance(loss, losses.GaussianNLLLoss):
            return MEAN_AND_VARIANCE
        return "exp" if isinstance(loss, (losses.PoissonDeviance, losses.Poisson)) else "identity"

    def _make_loss(self) -> losses.Loss:
        """Return the loss."""
        if isinstance(self.loss, str) and self.loss in ("squared_error", "poisson"):
            kind = HalfSquaredError if self.loss == "squared_error" else HalfPoissonDeviance
            return kind(reduction="mean_with_sample_weight")
        return _own_loss(self.loss)

    def _score_outputs(self, held_out: HeldOut) -> float:
        """Return R^2; of outputs that are not the targets' own, such as quantiles, the loss with another sign."""
        outputs = held_out.outputs
        if not np.isfinite(outputs).all():
            return float("nan")
        if outputs.shape[1] != self._encoded_width:
            return -float(self._network.model.loss(held_out.targets, outputs, held_out.weight))
        return float(r2_score(held_out.y, self._label(outputs), sample_weight=held_out.weight))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R^2: of means, of the quantile nearest to a half, or of what `predict` returns.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
        """
        outputs, loss = self._outputs(X), self._make_loss()
        if isinstance(loss, losses.GaussianNLLLoss):
            outputs = outputs[:, : outputs.shape[1] // 2]
        elif isinstance(loss, losses.QuantileLoss):
            quantiles = np.atleast_1d(loss.quantiles)
            outputs = outputs[:, int(abs(quantiles - 0.5).argmin()) :: len(quantiles)]
        return float(r2_score(y, self._label(outputs), sample_weight=sample_weight))

    # ------------------------------------------------------------------ rows
    def _label(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return numbers for outputs."""
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def predict(self, X: Any) -> NDArray[Any]:
        """Return predicted numbers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._label(self._outputs(X))


def _named_loss(loss: Any) -> Any:
    """Return a classifier's loss for a name or an object, before it is fitted; None for scikit-learn's own."""
    return None if isinstance(loss, str) and loss == "log_loss" else losses.get(loss)


def _own_loss(loss: Any) -> losses.Loss:
    """Return a loss of the catalogue, which a run may keep."""
    if isinstance(loss, str):
        return losses.get({"class_name": type(losses.get(loss)).__name__,
                           "config": {"reduction": "mean_with_sample_weight"}})
    return losses.get(loss)
