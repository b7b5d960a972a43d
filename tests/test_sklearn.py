"""The estimators for scikit-learn, beside scikit-learn's own and its checks."""

import copy
import importlib.util
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
import scipy.sparse
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import (
    load_digits,
    load_iris,
    make_classification,
    make_multilabel_classification,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import has_fit_parameter

import nncore as nn
from nncore.sklearn import MLPClassifier, MLPRegressor, fit_many, from_sklearn

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning:sklearn"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

# What scikit-learn's own tests reach into that is not ours: its loss and gradient in NumPy, by a private name.
PRIVATE = {"test_gradient": "calls _loss_grad_lbfgs with scikit-learn's own buffers"}


def test_scikit_learns_own_tests_pass_where_only_the_import_changes(tmp_path):
    found = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    if found is None:
        pytest.skip("this scikit-learn comes without its tests")
    source = Path(found.origin).read_text()
    line = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
    if line not in source:
        pytest.skip("scikit-learn's tests import other names")
    (tmp_path / "test_theirs.py").write_text(source.replace(line, line.replace("sklearn.neural_network", "nncore.sklearn")))
    (tmp_path / "conftest.py").write_text("import pytest\n\n\n@pytest.fixture\ndef global_random_seed():\n    return 42\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path),
         *(f"--deselect=test_theirs.py::{name}" for name in PRIVATE), "test_theirs.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) > 50


# Dropout, batch statistics: a row that weighs two is not a row that comes twice.
UNEQUAL = {name: "dropout and batch statistics see each row by itself" for name in (
    "check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data")}


def expected(estimator):
    return UNEQUAL if estimator.dropout or estimator.normalization == "batch" else {}


@parametrize_with_checks(
    [kind(solver=solver) for kind in (MLPClassifier, MLPRegressor) for solver in ("adam", "sgd", "lbfgs")]
    + [kind(**additions) for kind in (MLPClassifier, MLPRegressor) for additions in (
        {"dropout": 0.2, "normalization": "batch"},
        {"normalization": "layer", "solver": "rmsprop", "l1": 1e-4, "clipnorm": 1.0})]
    + [MLPClassifier(class_weight="balanced", loss="kl_divergence"), MLPClassifier(loss="hinge", activation=["gelu"]),
       MLPClassifier((), learning_rate_init=0.02), MLPRegressor(loss="huber", solver="adamw", normalization="rms"),
       MLPRegressor(hidden_layer_sizes=(), learning_rate_init=0.05)],
    expected_failed_checks=expected)
def test_checks_of_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def digits(dtype=np.float64):
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(dtype), y


CASES = {
    "classes": (MLPClassifier, lambda: load_iris(return_X_y=True), {}),
    "two classes": (MLPClassifier, lambda: make_classification(200, random_state=0), {"activation": "tanh"}),
    "labels": (MLPClassifier, lambda: make_multilabel_classification(200, random_state=0), {"activation": "logistic"}),
    "one number": (MLPRegressor, lambda: make_regression(250, 8, random_state=0), {}),
    "three numbers": (MLPRegressor, lambda: make_regression(250, 8, n_targets=3, random_state=0), {"activation": "identity"}),
    "counts": (MLPRegressor, lambda: (np.random.default_rng(0).normal(size=(230, 4)), np.arange(230) % 5), {"loss": "poisson"}),
}


@pytest.mark.parametrize("more", [
    {"solver": "adam"}, {"solver": "sgd"}, {"solver": "sgd", "momentum": 0.0, "learning_rate": "invscaling"},
    {"solver": "sgd", "nesterovs_momentum": False, "batch_size": 32, "learning_rate": "adaptive", "tol": 1e9, "n_iter_no_change": 1},
    {"solver": "adam", "early_stopping": True, "batch_size": 50}, {"solver": "adam", "shuffle": False, "alpha": 0.1},
    {"solver": "lbfgs"}], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_weights_after_five_epochs_are_scikit_learns(case, weighted, more):
    kind, data, parameters = CASES[case]
    X, y = data()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    if kind is MLPRegressor:
        y = y / y.std()
    parameters = {"hidden_layer_sizes": (7, 5), "max_iter": 5, "random_state": 3, **parameters, **more}
    weight = np.random.default_rng(1).uniform(0.1, 2, len(X)) if weighted else None
    peer = getattr(neural_network, kind.__name__)
    if (weighted and not has_fit_parameter(peer, "sample_weight")) or not set(parameters) <= {*peer._get_param_names()}:
        pytest.skip("the installed scikit-learn's nets, before 1.7, take no weights or no loss")
    weights = {"sample_weight": weight} if weighted else {}
    ours, theirs = (made(**parameters).fit(X, y, **weights) for made in (kind, peer))
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-6)
    assert (ours.n_iter_, ours.t_, ours.n_layers_, ours.n_outputs_, ours.out_activation_) == (
        theirs.n_iter_, theirs.t_, theirs.n_layers_, theirs.n_outputs_, theirs.out_activation_)
    for name in ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_"):
        assert hasattr(ours, name) == hasattr(theirs, name)
        if getattr(theirs, name, None) is not None:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-6)
    np.testing.assert_allclose(ours.predict(X[:20]), theirs.predict(X[:20]), rtol=1e-6)
    if hasattr(theirs, "predict_proba"):
        np.testing.assert_allclose(ours.predict_proba(X[:20]), theirs.predict_proba(X[:20]), rtol=1e-6)
        np.testing.assert_allclose(ours.predict_log_proba(X[:20]), theirs.predict_log_proba(X[:20]), rtol=1e-6)


@pytest.mark.parametrize("method", ["partial_fit", "warm start"])
def test_further_fits_are_scikit_learns(method):
    X, y = digits()
    made = []
    for kind in (MLPClassifier, neural_network.MLPClassifier):
        net = kind((16,), random_state=0, max_iter=2, warm_start=method == "warm start")
        for part in np.array_split(np.arange(len(X)), 3):
            if method == "partial_fit":
                net.partial_fit(X[part], y[part], classes=np.arange(10))
            else:
                net.fit(X[part], y[part])
        made.append(net)
    for a, b in zip(made[0].coefs_, made[1].coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(made[0].loss_curve_, made[1].loss_curve_, rtol=1e-6)


def test_sparse_rows_give_the_bits_of_dense_ones():
    sparse = pytest.importorskip("scipy.sparse")
    X, y = digits()
    one = MLPClassifier((16,), max_iter=3, random_state=0, early_stopping=True).fit(X, y)
    for kind in (sparse.csr_array, sparse.csc_array):
        other = MLPClassifier((16,), max_iter=3, random_state=0, early_stopping=True).fit(kind(X), y)
        for a, b in zip(one.coefs_, other.coefs_, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(kind(X)))


# ------------------------------------------------------------------ bits
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_are_the_same_for_any_threads_and_rows_together(dtype):
    X, y = digits(dtype)
    made = [MLPClassifier((40,), max_iter=3, random_state=0, dropout=0.1, n_threads=n).fit(X, y) for n in (1, 2, None)]
    for other in made[1:]:
        for a, b in zip(made[0].coefs_, other.coefs_, strict=True):
            np.testing.assert_array_equal(a, b)
    proba = made[0].predict_proba(X)
    assert proba.dtype == dtype
    for rows in ([0], [5, 6], range(70), range(300)):
        np.testing.assert_array_equal(made[0].predict_proba(X[list(rows)]), proba[list(rows)])


def test_a_copy_and_a_pickle_go_on_as_the_estimator_does():
    X, y = digits()
    net = MLPClassifier((12,), max_iter=2, random_state=0, dropout=0.2)
    net.fit(X, y)
    others = [pickle.loads(pickle.dumps(net)), copy.deepcopy(net)]
    for other in others:
        np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))
    net.partial_fit(X, y)
    for other in others:
        other.partial_fit(X, y)
        for a, b in zip(net.coefs_, other.coefs_, strict=True):
            np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------ what lies in coefs_ counts
def test_what_is_written_into_coefs_is_used():
    X, y = load_iris(return_X_y=True)
    net = MLPClassifier((4,), max_iter=2, random_state=0).fit(X, y)
    before = net.predict_proba(X)
    net.coefs_[0][:] = 0
    inside = net.predict_proba(X)
    assert not np.array_equal(before, inside)
    net.coefs_ = [np.zeros((4, 4)), np.zeros((4, 3))]
    net.intercepts_[1] = np.log([0.5, 0.25, 0.25])
    np.testing.assert_allclose(net.predict_proba(X[:1]), [[0.5, 0.25, 0.25]])
    net.partial_fit(X, y)
    assert net.coefs_[1].any()


@pytest.mark.parametrize("make", [
    lambda X, y: (X * np.nan, y), lambda X, y: (X[:, :2], y[:-1]), lambda X, y: (X.astype(str) + "a", y), lambda X, y: (X[0], y)])
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(make):
    X, y = load_iris(return_X_y=True)
    net = MLPClassifier((4,), max_iter=2, random_state=0).fit(X, y)
    before, state = net.predict_proba(X), set(vars(net))
    with pytest.raises((ValueError, TypeError)):
        net.fit(*make(X, y))
    np.testing.assert_array_equal(net.predict_proba(X), before)
    assert set(vars(net)) == state


def test_an_error_in_the_middle_of_partial_fit_leaves_the_weights():
    class Fails(nn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise ZeroDivisionError

    X, y = load_iris(return_X_y=True)
    net = MLPClassifier((4,), max_iter=2, random_state=0, batch_size=20).fit(X, y)
    before, curve = net.predict_proba(X), list(net.loss_curve_)
    net.set_params(callbacks=[Fails()])
    with pytest.raises(ZeroDivisionError):
        net.partial_fit(X, y)
    np.testing.assert_array_equal(net.predict_proba(X), before)
    assert net.loss_curve_ == curve


def test_ctrl_c_ends_training_with_a_warning():
    X, y = digits()
    net = MLPClassifier((50,), max_iter=100_000, tol=0, n_iter_no_change=np.inf, random_state=0)
    timer = threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        net.fit(X, y)
    assert 0 < net.n_iter_ < 100_000
    assert net.score(X, y) > 0.5


# ------------------------------------------------------------------ what scikit-learn declines
def test_an_eval_set_decides_when_to_stop_and_the_best_weights_come_back():
    X, y = digits()
    train, rest = slice(None, 1200), slice(1200, None)
    net = MLPClassifier((32,), random_state=0, early_stopping=True, n_iter_no_change=3, max_iter=300,
                        learning_rate_init=0.01, scoring="neg_log_loss")
    net.fit(X[train], y[train], eval_set=(X[rest], y[rest]))
    assert len(net.validation_scores_) == len(net.validation_loss_curve_) == net.n_iter_ < 300
    assert net.best_validation_score_ == max(net.validation_scores_)
    assert net.best_loss_ is None
    from sklearn.metrics import log_loss
    np.testing.assert_allclose(-log_loss(y[rest], net.predict_proba(X[rest])), net.best_validation_score_)
    np.testing.assert_allclose(net.validation_loss_curve_, -np.array(net.validation_scores_), rtol=1e-6)


def test_partial_fit_with_an_eval_set_records_scores():
    X, y = digits()
    net = MLPClassifier((32,), random_state=0, early_stopping=True)
    for _ in range(3):
        net.partial_fit(X[:1000], y[:1000], classes=np.arange(10), eval_set=(X[1000:], y[1000:]))
    assert len(net.validation_scores_) == 3
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        net.partial_fit(X, y)


@pytest.mark.parametrize("more", [
    {"dropout": 0.3}, {"dropout": [0.1, 0.0]}, {"normalization": "batch"}, {"normalization": "layer"}, {"normalization": "rms"},
    {"activation": ["gelu", "silu"]}, {"activation": (np.sin, np.cos)}, {"solver": "adamw"}, {"solver": "nadam"},
    {"solver": nn.optimizers.RMSprop(2e-3, clipnorm=1.0)}, {"l1": 1e-3}, {"clipvalue": 0.1}, {"global_clipnorm": 0.05},
    {"learning_rate": nn.schedules.CosineDecay(0.01, 400)}, {"class_weight": "balanced"}, {"loss": "kl_divergence"},
    {"loss": nn.losses.CategoricalFocalCrossentropy()}, {"loss": "categorical_hinge", "output_activation": "linear"}], ids=str)
def test_additions_train(more):
    X, y = digits()
    net = MLPClassifier((32, 16), random_state=0, max_iter=25, **more)
    plain = MLPClassifier((32, 16), random_state=0, max_iter=25).fit(X, y)
    net.fit(X, y)
    assert net.score(X, y) > 0.8
    assert not np.array_equal(net.predict(X), plain.predict(X)) or not np.array_equal(net.coefs_[0], plain.coefs_[0])
    clone(net)


def test_class_weights_are_weights_of_rows():
    X, y = make_classification(200, weights=[0.9], random_state=0)
    weights = {0: 1.0, 1: 7.0}
    one = MLPClassifier((8,), max_iter=5, random_state=0, class_weight=weights).fit(X, y)
    other = MLPClassifier((8,), max_iter=5, random_state=0).fit(X, y, sample_weight=np.where(y == 1, 7.0, 1.0))
    np.testing.assert_array_equal(one.coefs_[0], other.coefs_[0])


def test_quantiles_come_in_columns():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (2000, 1))
    y = X[:, 0] + rng.normal(0, 0.5, 2000)
    net = MLPRegressor(nn.losses.QuantileLoss([0.1, 0.5, 0.9]), (32,), random_state=0, max_iter=150, early_stopping=True)
    found = net.fit(X, y).predict(X)
    assert found.shape == (2000, 3)
    np.testing.assert_allclose((y[:, np.newaxis] < found).mean(axis=0), [0.1, 0.5, 0.9], atol=0.05)


def test_hidden_outputs_are_a_transformation():
    X, y = load_iris(return_X_y=True)
    net = MLPClassifier((5, 3), "tanh", max_iter=5, random_state=0).fit(X, y)
    hidden = np.tanh(np.tanh(X @ net.coefs_[0] + net.intercepts_[0]) @ net.coefs_[1] + net.intercepts_[1])
    np.testing.assert_allclose(net.transform(X), hidden, rtol=1e-12, atol=1e-14)
    assert list(net.get_feature_names_out()) == ["mlpclassifier0", "mlpclassifier1", "mlpclassifier2"]


def test_categories_become_vectors_and_unseen_ones_zeros():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    color, size = rng.choice(["red", "green", "blue"], 600), rng.normal(size=600)
    frame = pandas.DataFrame({"size": size, "color": color, "shape": rng.integers(0, 4, 600)})
    y = ((color == "red") ^ (frame["shape"] > 1)).to_numpy().astype(int)
    net = MLPClassifier((16,), random_state=0, max_iter=80, learning_rate_init=0.01, categorical_features=["color", "shape"])
    net.fit(frame, y)
    assert net.score(frame, y) > 0.95
    assert net.coefs_[0].shape == (1 + 2 * 8, 16)
    strange = frame.iloc[:2].assign(color=["pink", "violet"], size=0.0, shape=1)
    found = net.predict_proba(strange)
    np.testing.assert_array_equal(found[0], found[1])
    other = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(other.predict_proba(frame), net.predict_proba(frame))
    positions = MLPClassifier((16,), random_state=0, max_iter=80, learning_rate_init=0.01, categorical_features=[1, 2])
    np.testing.assert_array_equal(positions.fit(frame, y).predict_proba(frame), net.predict_proba(frame))


def test_first_weights_may_be_given():
    X, y = load_iris(return_X_y=True)
    coefs = [np.full((4, 2), 0.1), np.full((2, 3), 0.2)]
    net = MLPClassifier((2,), max_iter=1, solver="sgd", learning_rate_init=1e-12, initial_coefs=coefs).fit(X, y)
    for a, b in zip(net.coefs_, coefs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    with pytest.raises(ValueError, match="initial_coefs must have the shapes"):
        MLPClassifier((3,), initial_coefs=coefs).fit(X, y)


@pytest.mark.parametrize("parameters, words", [
    ({"solver": "lbfgs", "dropout": 0.5}, "solver='lbfgs' minimizes one function"),
    ({"dropout": [0.1]}, "dropout must be one for all or one for each of the 2 hidden layers, got 1"),
    ({"activation": ["relu"]}, "activation must be one for all or one for each of the 2 hidden layers, got 1"),
    ({"dropout": 1.0}, "The 'dropout' parameter of MLPClassifier must be"),
    ({"activation": "rellu"}, "The 'activation' parameter of MLPClassifier must be"),
    ({"n_threads": 0}, "The 'n_threads' parameter of MLPClassifier must be"),
    ({"normalization": "bach"}, "The 'normalization' parameter of MLPClassifier must be"),
    ({"hidden_layer_sizes": (3, -1)}, "hidden_layer_sizes must be > 0"),
    ({"loss": "los"}, "unknown loss 'los'"),
    ({"solver": nn.optimizers.SGD(), "clipnorm": 1.0}, "are arguments of the optimizer that is given as solver"),
    ({"categorical_features": [9]}, "categorical_features must be in -4 ... 3, got 9"),
])
def test_parameters_that_cannot_be_are_refused(parameters, words):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError) as error:
        MLPClassifier(**{"hidden_layer_sizes": (3, 2), **parameters}).fit(X, y)
    assert words in str(error.value)


@pytest.mark.parametrize("eval_set, words", [
    (3, "eval_set must be (X, y) or (X, y, sample_weight), got int"), ((1, 2, 3, 4), "got 4 elements"),
    ((np.zeros((2, 3)), [0, 1]), "X has 3 features"), ((np.zeros((2, 4)), [0, 7]), "has classes not in")])
def test_an_eval_set_that_is_none_is_refused(eval_set, words):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError) as error:
        MLPClassifier().fit(X, y, eval_set=eval_set)
    assert words in str(error.value)


def test_an_estimator_that_is_not_fitted_says_so():
    for method in ("predict", "predict_proba", "transform"):
        with pytest.raises(NotFittedError):
            getattr(MLPClassifier(), method)([[1.0]])


def test_scikit_learns_callbacks_see_each_epoch():
    callback = pytest.importorskip("sklearn.callback")
    X, y = load_iris(return_X_y=True)
    seen = []

    class Listens:
        def setup(self, estimator, context):
            seen.append("setup")

        def teardown(self, estimator, context):
            seen.append("teardown")

        def on_fit_task_begin(self, estimator, context, **details):
            seen.append("begin " + context.task_name)

        def on_fit_task_end(self, estimator, context, **details):
            seen.append("end " + context.task_name)

    if not isinstance(Listens(), callback.FitCallback):
        pytest.skip("another protocol")
    MLPClassifier((3,), max_iter=2).set_callbacks(Listens()).fit(X, y)
    wanted = ["setup", "begin fit", "begin epoch", "end epoch", "begin epoch", "end epoch", "end fit", "teardown"]
    assert seen == wanted
    seen.clear()
    MLPClassifier((3,), solver="lbfgs", max_iter=2).set_callbacks(Listens()).fit(X, y)
    assert seen == wanted


def test_scikit_learns_callbacks_end_the_full_batch_solver():
    callback = pytest.importorskip("sklearn.callback")
    X, y = load_iris(return_X_y=True)

    class Ends:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **details):
            pass

        def on_fit_task_end(self, estimator, context, **details):
            return context.task_name == "epoch" and context.task_id == 4

    if not isinstance(Ends(), callback.FitCallback):
        pytest.skip("another protocol")
    made = {"hidden_layer_sizes": (3,), "solver": "lbfgs", "random_state": 0}
    ended = MLPClassifier(max_iter=100, **made).set_callbacks(Ends()).fit(X, y)
    assert ended.n_iter_ == 5
    assert np.array_equal(ended.coefs_[0], MLPClassifier(max_iter=5, **made).fit(X, y).coefs_[0])


def test_what_does_not_converge_warns():
    X, y = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        MLPClassifier(max_iter=2).fit(X, y)


# ------------------------------------------------------------------ to and from scikit-learn, and many at once
@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_conversions_predict_the_same(kind, dtype):
    X, y = digits(dtype)
    theirs = getattr(neural_network, kind)(hidden_layer_sizes=(20,), max_iter=5, random_state=0).fit(X, y)
    ours = from_sklearn(theirs)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-4 if dtype == np.float32 else 1e-9)
    back = ours.to_sklearn()
    assert type(back) is type(theirs)
    np.testing.assert_array_equal(back.predict(X), theirs.predict(X))
    ours.partial_fit(X, y)
    np.testing.assert_array_equal(back.coefs_[0], theirs.coefs_[0])


def test_conversions_that_cannot_be_are_refused():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(TypeError, match="from_sklearn: estimator must be"):
        from_sklearn(MLPClassifier())
    with pytest.raises(ValueError, match="to_sklearn: scikit-learn's nets have no normalization, got 'batch'"):
        MLPClassifier(normalization="batch", max_iter=1).fit(X, y).to_sklearn()
    with pytest.raises(ValueError, match="to_sklearn: scikit-learn's nets have one activation"):
        MLPClassifier(activation="gelu", max_iter=1).fit(X, y).to_sklearn()


@pytest.mark.parametrize("n_jobs", [1, 2, None])
def test_many_nets_at_once_are_those_one_by_one(n_jobs):
    X, y = digits()
    made = [[MLPClassifier((16,), max_iter=4, random_state=seed, dropout=0.1) for seed in range(5)] for _ in range(2)]
    rows = [np.random.default_rng(seed).permutation(len(X))[:900] for seed in range(5)]
    assert fit_many(made[0], X, y, rows=rows, n_jobs=n_jobs) == made[0]
    for net, part in zip(made[1], rows, strict=True):
        net.fit(X[part], y[part])
    for a, b in zip(*made, strict=True):
        np.testing.assert_array_equal(a.coefs_[0], b.coefs_[0])


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("more", [
    {}, {"shuffle": False}, {"solver": "lbfgs"}, {"early_stopping": True}, {"batch_size": 7, "solver": "sgd"},
    {"early_stopping": True, "scoring": "accuracy"}, {"class_weight": "balanced"}])
def test_folds_bags_and_masks_are_fitted_as_if_copied(more, weighted, sparse):
    X, y = digits()
    draw = np.random.default_rng(0)
    rows = [draw.integers(len(X), size=2500), np.arange(300, 900), draw.random(len(X)) < 0.3, [-1, -2, *range(80)],
            np.where(np.isin(y, [1, 7]))[0][:90]]
    weight = draw.random(len(X)) if weighted else None
    given = scipy.sparse.csr_matrix(X) if sparse else X
    made = [[MLPClassifier((16,), max_iter=4, random_state=3, **more) for _ in rows] for _ in range(2)]
    fit_many(made[0], given, y, sample_weight=weight, rows=rows)
    for one, other, part in zip(*made, rows, strict=True):
        other.fit(given[part], y[part], sample_weight=None if weight is None else weight[part])
        np.testing.assert_array_equal(one.classes_, other.classes_)
        for a, b in zip(one.coefs_, other.coefs_, strict=True):
            np.testing.assert_array_equal(a, b)
        assert one.loss_ == other.loss_ and one.t_ == other.t_
        if one.early_stopping and one.solver != "lbfgs":
            assert one.validation_scores_ == other.validation_scores_


def test_rows_of_frames_with_categories():
    pandas = pytest.importorskip("pandas")
    draw = np.random.default_rng(0)
    X = pandas.DataFrame({"a": draw.normal(size=200), "b": draw.choice(["x", "y", "z"], 200)})
    y = X["a"] + (X["b"] == "x")
    rows = [np.where(X["b"] != "z")[0], np.arange(150)]
    made = [[MLPRegressor(hidden_layer_sizes=(8,), max_iter=3, categorical_features=["b"], random_state=0) for _ in rows] for _ in range(2)]
    fit_many(made[0], X, y, rows=rows)
    for one, other, part in zip(*made, rows, strict=True):
        other.fit(X.iloc[part], y.iloc[part])
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert made[0][0]._columns.cardinalities == (3,)


def test_rows_are_not_copied():
    X = np.zeros((100_000, 50))
    X[:, 0] = np.arange(len(X)) / len(X)
    nets = [MLPRegressor(hidden_layer_sizes=(4,), max_iter=1, batch_size=1000, early_stopping=True, random_state=seed) for seed in range(2)]
    rows = [np.arange(0, len(X), 2), np.arange(90_000)]
    fit_many(nets[:1], X, X[:, 0], rows=rows[:1])
    tracemalloc.start()
    fit_many(nets, X, X[:, 0], rows=rows, n_jobs=1)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 0.5 * X.nbytes, most


@pytest.mark.parametrize("rows, words", [
    ([[0, 150]], "fit_many: rows[0] must hold row numbers in -150 ... 149, got 0 ... 150"),
    ([[True] * 149], "fit_many: rows[0] must be a mask of 150 rows"),
    ([[0.5]], "fit_many: rows[0] must be a list of row numbers or a mask, got float64"),
    ([[]], "fit_many: rows[0] must be a list of row numbers or a mask, got float64 of shape (0,)"),
    ([[0], [1]], "fit_many: rows must be one array for each of the 1 estimators, got 2"),
])
def test_rows_that_are_none_are_refused(rows, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        fit_many([MLPClassifier()], *load_iris(return_X_y=True), rows=rows)


def test_an_error_of_one_of_many_is_raised():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="hidden_layer_sizes must be > 0"):
        fit_many([MLPClassifier(max_iter=2), MLPClassifier((0,))], X, y)
    net = MLPClassifier()
    with pytest.raises(ValueError, match="different objects"):
        fit_many([net, net], X, y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scikit_learns_tools_take_the_estimators(n_jobs):
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import BaggingClassifier
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_val_score
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_iris(return_X_y=True)
    net = MLPClassifier((8,), max_iter=60, learning_rate_init=0.02, random_state=0)
    columns = ColumnTransformer([("scaled", StandardScaler(), [0, 1, 2, 3])])
    assert make_pipeline(columns, net).fit(X, y).score(X, y) > 0.9
    assert cross_val_score(net, X, y, n_jobs=n_jobs).mean() > 0.8
    grid = GridSearchCV(net, {"alpha": [1e-4, 1e-2], "dropout": [0.0, 0.1]}, cv=3, n_jobs=n_jobs).fit(X, y)
    assert grid.best_score_ > 0.8
    assert HalvingGridSearchCV(net, {"alpha": [1e-4, 1e-2]}, cv=3, n_jobs=n_jobs, random_state=0).fit(X, y).score(X, y) > 0.8
    import joblib
    with joblib.parallel_backend("threading"):
        bags = BaggingClassifier(net, n_estimators=4, n_jobs=n_jobs, random_state=0).fit(X, y)
    one = BaggingClassifier(net, n_estimators=4, random_state=0).fit(X, y)
    for a, b in zip(bags.estimators_, one.estimators_, strict=True):  # their sum is in an order that n_jobs changes
        np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    assert OneVsRestClassifier(net, n_jobs=n_jobs).fit(X, y).score(X, y) > 0.8
    assert CalibratedClassifierCV(net, cv=3, n_jobs=n_jobs).fit(X, y).score(X, y) > 0.8
    assert permutation_importance(net.fit(X, y), X, y, n_jobs=n_jobs, random_state=0).importances_mean.max() > 0.05


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", ["loky", "threading", "dask", "ray"])
def test_backends_of_joblib_give_the_same(backend):
    """In a process of its own, whose threads and loops end with it."""
    if backend in ("dask", "ray"):
        pytest.importorskip({"dask": "dask.distributed", "ray": "ray"}[backend])
    program = """if __name__ == "__main__":
        import contextlib, sys, joblib
        from sklearn.datasets import load_iris
        from sklearn.model_selection import cross_val_score
        from nncore.sklearn import MLPClassifier
        X, y = load_iris(return_X_y=True)
        net = MLPClassifier((8,), max_iter=40, random_state=0)
        one, backend = cross_val_score(net, X, y).tolist(), sys.argv[1]
        with contextlib.ExitStack() as stack:
            if backend == "dask":
                from dask.distributed import Client
                stack.enter_context(Client(n_workers=2, threads_per_worker=1, dashboard_address=None))
            if backend == "ray":
                import ray, ray.util.joblib
                ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
                stack.callback(ray.shutdown)
                ray.util.joblib.register_ray()
            stack.enter_context(joblib.parallel_backend(backend, **({} if backend == "dask" else {"n_jobs": 2})))
            assert cross_val_score(net, X, y).tolist() == one
        """
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", program, backend], capture_output=True, text=True,
                         timeout=200)
    assert run.returncode == 0, run.stderr
