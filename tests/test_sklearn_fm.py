"""The factorization machines for scikit-learn, beside the sum over pairs written out and scikit-learn's checks."""

import pickle
import warnings
from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("sklearn")
import scipy.sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from nncore.sklearn import DeepFMClassifier, FMClassifier, FMRegressor, fit_many

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning:sklearn"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
KINDS = (FMClassifier, FMRegressor, DeepFMClassifier)


# Products of features of 100 let plain gradient descent diverge, as they would in any such model: its steps are clipped.
SOLVERS = ({"solver": "adam"}, {"solver": "sgd", "global_clipnorm": 1.0}, {"solver": "lbfgs"})


@parametrize_with_checks([kind(**solver) for kind in KINDS for solver in SOLVERS])
def test_checks_of_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def table(rows=300, seed=0):
    """Return X with two columns of numbers between two of categories, and a target that pairs decide."""
    draw = np.random.default_rng(seed)
    a, b = draw.integers(5, size=rows), draw.integers(7, size=rows)
    X = np.column_stack([draw.normal(size=rows), a, draw.normal(size=rows), b])
    taste, kind = np.random.default_rng(1).normal(size=(5, 2)), np.random.default_rng(2).normal(size=(7, 2))
    return X, (taste[a] * kind[b]).sum(axis=1) + X[:, 0] * X[:, 2]


def written_out(machine, X, output, with_pairs=True):
    """Return one output of a machine from its attributes: each number and each category is a feature."""
    numbers = X[:, [0, 2]]
    codes = [np.searchsorted(np.unique(X[:, column]), X[:, column]) + 1 for column in (1, 3)]
    found = machine.intercept_[output] + numbers @ machine.coef_[output]
    features = [numbers[:, [i]] * machine.factors_[output, i] for i in range(2)]
    for code, linear, vectors in zip(codes, machine.category_coef_, machine.category_factors_, strict=True):
        found = found + linear[output, code]
        features.append(vectors[output, code])
    return found + sum((one * other).sum(axis=1) for one, other in combinations(features, 2)) * with_pairs


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_outputs_are_the_sum_over_all_pairs(solver):
    X, y = table()
    machine = FMRegressor(3, solver=solver, categorical_features=[1, 3], init_std=0.5, max_iter=20, random_state=0)
    machine.fit(X, np.column_stack([y, -2 * y + 1]))
    assert machine.coef_.shape == (2, 2) and machine.factors_.shape == (2, 2, 3)
    assert [part.shape for part in machine.category_factors_] == [(2, 6, 3), (2, 8, 3)]
    for output in range(2):
        np.testing.assert_allclose(machine.predict(X)[:, output], written_out(machine, X, output), rtol=1e-10, atol=1e-12)
        assert np.abs(written_out(machine, X, output, with_pairs=False) - machine.predict(X)[:, output]).max() > 0.1


def test_classes_take_the_softmax_of_their_machines():
    X, y = table()
    labels = np.digitize(y, [-1, 1])
    machine = FMClassifier(3, solver="lbfgs", categorical_features=[1, 3], max_iter=20, random_state=0).fit(X, labels)
    outputs = np.column_stack([written_out(machine, X, output) for output in range(3)])
    likely = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    np.testing.assert_allclose(machine.predict_proba(X), likely / likely.sum(axis=1, keepdims=True), rtol=1e-10)
    assert machine.score(X, labels) > 0.6


@pytest.mark.parametrize("kind", [FMRegressor, FMClassifier, DeepFMClassifier])
def test_a_solver_finds_what_pairs_decide(kind):
    X, y = table(1200)
    y = y if kind is FMRegressor else y > 0
    machine = kind(4, solver="adam", learning_rate_init=0.03, init_std=0.1, categorical_features=[1, 3], random_state=0)
    machine.fit(X[:900], y[:900])
    assert machine.score(X[900:], y[900:]) > 0.9
    assert np.any(machine.factors_) and all(map(np.any, machine.category_factors_))


def test_penalties_are_those_of_the_whole_loss():
    """At the minimum that L-BFGS finds, the written-out penalized loss has no slope."""
    X, y = table()
    machine = FMRegressor(2, solver="lbfgs", alpha=0.5, alpha_factors=2.0, init_std=0.3, max_iter=5000, tol=1e-9,
                          random_state=0).fit(X, y)

    def objective(w0, w, v):
        pairs = sum((v[i] @ v[j]) * X[:, i] * X[:, j] for i, j in combinations(range(4), 2))
        error = w0 + X @ w + pairs - y
        return (0.5 * error @ error + 0.25 * w @ w + (v * v).sum()) / len(X)

    w0, w, v = machine.intercept_[0], machine.coef_[0], machine.factors_[0]
    best = objective(w0, w, v)
    assert np.isclose(best, machine.loss_, rtol=1e-9)
    draw = np.random.default_rng(0)
    for _ in range(20):
        step = [1e-3 * draw.normal(size=np.shape(part)) for part in (w0, w, v)]
        assert objective(w0 + step[0], w + step[1], v + step[2]) > best


def test_categories_alone_and_unseen_ones():
    X, y = table()
    pairs, target = X[:, [1, 3]], y - X[:, 0] * X[:, 2]
    machine = FMRegressor(3, categorical_features=[0, 1], learning_rate_init=0.03, init_std=0.1, random_state=0)
    machine.fit(pairs, target)
    assert machine.score(pairs, target) > 0.95
    assert machine.coef_.shape == (1, 0) and machine.factors_.shape == (1, 0, 3)
    unseen = machine.predict([[99, 99], [99, pairs[0, 1]]])
    assert unseen[0] == machine.intercept_[0]
    code = 1 + np.searchsorted(np.unique(pairs[:, 1]), pairs[0, 1])
    assert unseen[1] == pytest.approx(machine.intercept_[0] + machine.category_coef_[1][0, code])


def test_the_hidden_layers_of_deepfm_count():
    X, y = table(600)
    y = np.abs(X[:, 0]) > 0.7  # neither linear nor a pair
    plain = FMClassifier(4, categorical_features=[1, 3], learning_rate_init=0.02, random_state=0).fit(X, y)
    deep = DeepFMClassifier(4, (16,), categorical_features=[1, 3], learning_rate_init=0.02, random_state=0).fit(X, y)
    assert plain.score(X, y) < 0.7 and deep.score(X, y) > 0.95


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_and_habits(kind, dtype):
    X, y = table()
    X, y = X.astype(dtype), (y if kind is FMRegressor else np.digitize(y, [-1, 1]))
    machine = kind(random_state=0, max_iter=5, init_std=0.1)
    machine.fit(X, y)
    outputs = machine.predict if kind is FMRegressor else machine.predict_proba
    whole = outputs(X)
    assert whole.dtype == dtype
    for row in (0, 5, 299):
        assert np.array_equal(outputs(X[row : row + 1])[0], whole[row])
    for other in (clone(machine).set_params(n_threads=2).fit(X, y), clone(machine).fit(scipy.sparse.csr_matrix(X), y),
                  fit_many([clone(machine)], X, y)[0], pickle.loads(pickle.dumps(machine))):
        again = other.predict(X) if kind is FMRegressor else other.predict_proba(X)
        assert np.array_equal(again, whole)
    halves = [clone(machine).set_params(max_iter=2, warm_start=True) for _ in range(2)]
    for half in halves:
        half.fit(X, y).fit(X, y)
    assert np.array_equal(halves[0].factors_, halves[1].factors_) and not np.array_equal(halves[0].factors_, machine.factors_)
    before = machine.factors_
    with pytest.raises(ValueError, match="features"):
        machine.partial_fit(X[:, :3], y)
    assert np.array_equal(machine.factors_, before)
    machine.partial_fit(X, y)
    assert not np.array_equal(machine.factors_, before)
    assert np.isfinite(cross_val_score(machine, X, y, cv=3)).all()
    assert GridSearchCV(machine, {"n_factors": [1, 2]}, cv=2).fit(X, y).best_params_["n_factors"] in (1, 2)


@pytest.mark.parametrize("parameters, words", [
    ({"n_factors": 0}, "'n_factors' parameter of FMRegressor must be an int"),
    ({"init_std": 0.0}, "'init_std' parameter of FMRegressor must be a float"),
    ({"alpha_factors": -1.0}, "'alpha_factors' parameter of FMRegressor must be"),
    ({"loss": "no such"}, "no such"),
    ({"solver": "newton"}, "'solver' parameter of FMRegressor"),
])
def test_parameters_that_cannot_be_are_refused(parameters, words):
    with pytest.raises((ValueError, TypeError), match=words):
        FMRegressor(**parameters).fit(*table())


def test_an_eval_set_and_class_weights():
    X, y = table(600)
    labels = np.where(y > 0, "yes", "no")
    machine = FMClassifier(4, learning_rate_init=0.05, class_weight="balanced", early_stopping=True, random_state=0,
                           categorical_features=[1, 3])
    machine.fit(X[:400], labels[:400], eval_set=(X[400:], labels[400:]))
    assert machine.best_validation_score_ == max(machine.validation_scores_)
    assert machine.score(X[400:], labels[400:]) == pytest.approx(machine.best_validation_score_)
    assert set(machine.predict(X)) == {"yes", "no"}
