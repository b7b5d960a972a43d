"""How a network is trained: epoch by epoch, with scikit-learn's order of rows and rules for when to stop."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from nncore.callbacks import Callback

__all__ = ["Chosen", "HeldOut", "Order", "Watch", "warn_of_convergence"]


class Order:
    """The rows of each epoch: those of the epoch before, shuffled by the estimator's random state.

    Parameters
    ----------
    rows : ndarray of int
        Which of the data they are.
    random_state : numpy.random.RandomState or None
        What shuffles them; None leaves them as they are.
    """

    def __init__(self, rows: NDArray[np.int64], random_state: np.random.RandomState | None) -> None:
        self.rows, self.random_state = rows, random_state

    def __len__(self) -> int:
        """Return how many rows an epoch has."""
        return len(self.rows)

    def __call__(self, number: int) -> Any:
        """Return the rows of the next epoch."""
        if self.random_state is not None:
            places = np.arange(len(self.rows))
            self.random_state.shuffle(places)  # as sklearn.utils.shuffle does
            self.rows = self.rows[places]
        return self.rows


@dataclasses.dataclass
class Chosen:
    """What `fit_many` gives `fit` for X: all rows, and which of them to fit on.

    Attributes
    ----------
    X : Any
        The data.
    rows : ndarray of int
        Numbers of rows, which y and weights have too.
    """

    X: Any
    rows: NDArray[np.int64]


@dataclasses.dataclass
class HeldOut:
    """Data that are not trained on.

    Attributes
    ----------
    X, y : Any
        What a scorer takes.
    feeds, targets : Any
        The same as the model takes them.
    weight : ndarray or None
        Weights of the rows.
    outputs : ndarray or None
        The network's outputs after the last epoch.
    """

    X: Any
    y: Any
    feeds: Any
    targets: Any
    weight: Any
    outputs: Any = None


class Watch(Callback):
    """What an estimator does after each epoch: it records the loss, scores, and says when to stop.

    Parameters
    ----------
    estimator : BaseNet
        Whose attributes are kept up to date.
    rows : int
        Rows that an epoch trains on.
    held_out : HeldOut or None
        What the estimator is scored on.
    score : callable
        The score of the estimator on `held_out`.
    epochs : int
        The number of the last epoch.
    incremental : bool
        Whether this is one epoch of `partial_fit`.
    tell : callable or None
        What is called as ``tell(begin)`` around each epoch: scikit-learn's callbacks.
    """

    last = False

    def __init__(self, estimator: Any, rows: int, held_out: HeldOut | None, score: Callable[[HeldOut], float],
                 epochs: int, incremental: bool, tell: Callable[[bool], Any] | None) -> None:
        super().__init__()
        self.estimator, self.rows, self.held_out, self.score = estimator, rows, held_out, score
        self.stops, self.epochs, self.incremental, self.tell = estimator.early_stopping, epochs, incremental, tell

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Tell scikit-learn's callbacks."""
        if self.tell is not None:
            self.tell(True)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the epoch; stop, or lower the learning rate, where nothing improves."""
        estimator = self.estimator
        estimator.n_iter_ += 1
        estimator.t_ += self.rows
        estimator.loss_ = np.float64(logs["loss"])
        estimator.loss_curve_.append(estimator.loss_)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        if self.held_out is not None:
            self._validate(logs)
        if not self.stops:
            self._count(-estimator.loss_, -estimator.best_loss_)
            estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
        self._set_rate()
        if estimator._no_improvement_count > estimator.n_iter_no_change and self._is_over():
            self.model.stop_training = True
        elif estimator.n_iter_ == self.epochs and not self.incremental:
            warn_of_convergence(f"Stochastic Optimizer: Maximum iterations ({self.epochs}) reached and the "
                                "optimization hasn't converged yet.")
        if self.tell is not None and self.tell(False):
            self.model.stop_training = True

    def _validate(self, logs: Any) -> None:
        """Score the estimator, and keep the best weights."""
        estimator, held_out = self.estimator, self.held_out
        assert held_out is not None
        held_out.outputs = self.model.predict(held_out.feeds)
        logs["val_loss"] = loss = _loss(self.model.loss, held_out)
        logs["val_score"] = score = self.score(held_out)
        estimator.validation_loss_curve_.append(loss)
        estimator.validation_scores_.append(score)
        if estimator.verbose:
            print(f"Validation score: {score:f}")
        if not self.stops:
            estimator.best_validation_score_ = max(estimator.best_validation_score_, score)
            return
        self._count(score, estimator.best_validation_score_)
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            estimator._best_weights = self.model.get_weights()

    def _count(self, found: float, best: float) -> None:
        """Count the epochs in a row that are not better than the best by `tol`; nan is neither better nor worse."""
        estimator = self.estimator
        if found < best + estimator.tol:
            estimator._no_improvement_count += 1
        else:
            estimator._no_improvement_count = 0

    def _set_rate(self) -> None:
        estimator = self.estimator
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            self.model.optimizer.learning_rate = (
                float(estimator.learning_rate_init) / (estimator.t_ + 1) ** estimator.power_t)

    def _is_over(self) -> bool:
        """Return whether training ends; with the adaptive learning rate only once that is small."""
        estimator, optimizer = self.estimator, self.model.optimizer
        what = "Validation score" if self.stops else "Training loss"
        message = (f"{what} did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change} "
                   "consecutive epochs.")
        if estimator.solver != "sgd" or estimator.learning_rate != "adaptive":
            ending = "Stopping."
        elif optimizer.learning_rate <= 1e-6:
            ending = "Learning rate too small. Stopping."
        else:
            optimizer.learning_rate /= 5
            estimator._no_improvement_count = 0
            ending = f"Setting learning rate to {optimizer.learning_rate:f}"
        if estimator.verbose:
            print(message, ending)
        return ending.endswith("Stopping.")


def _loss(loss: Any, held_out: HeldOut) -> float:
    """Return the loss of held-out rows, without penalties; nan of outputs that it is not defined for."""
    if not np.isfinite(held_out.outputs).all():
        return float("nan")
    try:
        return float(loss(held_out.targets, held_out.outputs, held_out.weight))
    except ValueError:  # such as a Poisson deviance of an exponential that is 0
        return float("nan")


def warn_of_convergence(message: str) -> None:
    """Warn as scikit-learn's nets do: filters that name its module mean this warning."""
    warnings.warn_explicit(message, ConvergenceWarning, __file__, 1, module="sklearn.neural_network")
