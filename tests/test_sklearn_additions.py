"""What the estimators do that scikit-learn's decline: losses, outputs, categories, weights, changed attributes."""

import gc
import pickle
import warnings
import weakref

import numpy as np
import pytest

pytest.importorskip("sklearn")
import scipy.sparse
from sklearn import neural_network
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import cross_val_score

import nncore as nn
from nncore.sklearn import DeepFMClassifier, FMRegressor, MLPClassifier, MLPRegressor, fit_many, from_sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classes(count=2, rows=200):
    return make_classification(rows, 8, n_informative=5, n_classes=count, random_state=0)


def numbers(rows=200):
    X, y = make_regression(rows, 5, noise=5, random_state=0)
    return X, (y - y.mean()) / y.std()


# ---------------------------------------------------------------- losses and outputs
SINCE_1_7 = pytest.mark.skipif("loss" not in neural_network.MLPRegressor._get_param_names(),
                               reason="before 1.7 scikit-learn's nets have no Poisson loss, and fail on sparse labels")


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence",
                                  "categorical_focal_crossentropy"])
def test_two_classes_are_a_distribution_where_the_loss_wants_one(loss):
    X, y = classes()
    net = MLPClassifier(loss=loss, learning_rate_init=0.01, random_state=0).fit(X, y)
    found = net.predict_proba(X)
    assert (net.n_outputs_, net.out_activation_, found.shape) == (2, "softmax", (200, 2))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert net.score(X, y) > 0.9


def test_two_outputs_of_softmax_where_somebody_wants_them():
    X, y = classes()
    one = MLPClassifier(output_activation="softmax", random_state=0).fit(X, y)
    other = MLPClassifier(loss="sparse_categorical_crossentropy", random_state=0).fit(X, y)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_losses_of_margins_have_a_decision_function(loss, count):
    X, y = classes(count)
    net = MLPClassifier(loss=loss, learning_rate_init=0.01, random_state=0).fit(X, y)
    scores = net.decision_function(X)
    assert not hasattr(net, "predict_proba") and net.out_activation_ == "identity"
    assert np.array_equal(net.predict(X), (scores > 0).astype(int) if count == 2 else scores.argmax(axis=1))
    assert net.score(X, y) > 0.9
    assert not hasattr(MLPClassifier().fit(X, y), "decision_function")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("kind", [MLPRegressor, FMRegressor])
def test_variances_are_positive(kind, solver):
    X, y = numbers()
    net = kind(loss="gaussian_nll", solver=solver, learning_rate_init=0.03, random_state=0).fit(X, y)
    mean, variance = net.predict(X).T
    assert variance.min() > 0 and np.corrcoef(mean, y)[0, 1] > 0.9
    assert 0.2 < np.mean((mean - y) ** 2) / np.median(variance) < 5


@pytest.mark.parametrize("kind", [MLPRegressor, FMRegressor])
@pytest.mark.parametrize("loss, column", [("gaussian_nll", 0), (nn.losses.QuantileLoss([0.1, 0.6, 0.9]), 1),
                                          (nn.losses.QuantileLoss([0.5]), None), ("squared_error", None)])
def test_what_stands_for_a_target_is_scored(loss, column, kind):
    X, y = numbers()
    net = kind(loss=loss, learning_rate_init=0.03, random_state=0).fit(X, y)
    found = net.predict(X)
    assert net.score(X, y) == r2_score(y, found if column is None else found[:, column]) > 0.8
    assert len(cross_val_score(net.set_params(max_iter=3), X, y, cv=3)) == 3
    two = net.set_params(max_iter=100).fit(X, np.column_stack([y, -y]))
    assert two.score(X, np.column_stack([y, -y])) > 0.7


@pytest.mark.parametrize("loss", [nn.losses.Poisson(), "poisson_deviance", "poisson"])
def test_counts_have_an_exponential_output(loss):
    X, _ = numbers()
    net = MLPRegressor(loss=loss, random_state=0).fit(X, np.random.default_rng(0).poisson(np.exp(X[:, 0] / 2)))
    assert net.out_activation_ == "exp" and np.isfinite(net.loss_) and net.predict(X).min() > 0


@SINCE_1_7
def test_held_out_outputs_that_a_loss_is_not_defined_for_have_no_loss():
    rng = np.random.RandomState(0)
    X, y = rng.randn(200, 5) * 50, rng.poisson(2, 200) * 1.0
    nets = [package.MLPRegressor(loss="poisson", early_stopping=True, solver="sgd", random_state=0, max_iter=30)
            for package in (nn.sklearn, neural_network)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, wanted = (net.fit(X, y) for net in nets)
    np.testing.assert_allclose(found.validation_scores_, wanted.validation_scores_, rtol=1e-9)


def test_a_pair_of_functions_may_be_hidden_or_at_the_end_and_is_pickled():
    X, y = numbers()
    net = MLPRegressor(activation=(np.sin, np.cos), output_activation=(np.arcsinh, slope), random_state=0).fit(X, y)
    again = pickle.loads(pickle.dumps(net))
    assert np.array_equal(again.predict(X), net.predict(X))
    again.partial_fit(X, y)


def slope(x):
    return 1 / np.sqrt(1 + x * x)


# ---------------------------------------------------------------- weights and scores
def test_weights_are_repetitions_for_balanced_classes_too():
    X, y = classes(3)
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    made = {"class_weight": "balanced", "solver": "lbfgs", "random_state": 0, "max_iter": 50}
    one = MLPClassifier(**made).fit(X, y, sample_weight=weight)
    other = MLPClassifier(**made).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-4, atol=1e-6)


def test_class_weights_do_not_weigh_held_out_scores():
    X, y = classes()
    seen = []

    def score(estimator, X, y):
        seen.append(accuracy_score(y, estimator.predict(X)))
        return seen[-1]

    made = {"class_weight": {0: 1, 1: 30}, "early_stopping": True, "random_state": 0, "max_iter": 12}
    own = MLPClassifier(**made).fit(X, y)
    with_scorer = MLPClassifier(scoring=score, **made).fit(X, y, sample_weight=np.ones(len(y)))
    assert own.validation_scores_ == with_scorer.validation_scores_ == seen


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_a_score_that_is_never_a_number_leaves_the_last_weights():
    X, y = numbers()
    net = MLPRegressor(early_stopping=True, random_state=0, max_iter=15)
    with pytest.warns(UserWarning, match="validation score was never a number"):
        net.fit(X, y, eval_set=(X[:1], y[:1]))
    plain = MLPRegressor(random_state=0, max_iter=15).fit(X, y)
    assert np.array_equal(net.coefs_[0], plain.coefs_[0])


def test_weights_of_classes_that_are_negative_are_refused():
    X, y = classes()
    with pytest.raises(ValueError, match="class_weight must not be negative"):
        MLPClassifier(class_weight={0: -1}).fit(X, y)


def test_labels_of_several_kinds_have_weights_of_their_own():
    X, y = make_multilabel_classification(100, n_classes=2, random_state=0)
    weights = [{0: 1, 1: 5}, {0: 2, 1: 1}]
    one = MLPClassifier(class_weight=weights, max_iter=5, random_state=0).fit(X, y)
    rows = np.where(y[:, 0], 5, 1) * np.where(y[:, 1], 1, 2)
    other = MLPClassifier(max_iter=5, random_state=0).fit(X, y, sample_weight=rows)
    assert np.array_equal(one.coefs_[0], other.coefs_[0])


@SINCE_1_7
def test_sparse_labels_come_back_sparse():
    X, y = make_multilabel_classification(100, random_state=0)
    nets = [package.MLPClassifier(random_state=0, max_iter=20, early_stopping=True).fit(X, scipy.sparse.csr_matrix(y))
            for package in (nn.sklearn, neural_network)]
    found, wanted = (net.predict(X) for net in nets)
    assert type(found) is type(wanted) and (found != wanted).nnz == 0
    assert nets[0].validation_scores_ == nets[1].validation_scores_


# ---------------------------------------------------------------- categories
@pytest.mark.parametrize("kind", [MLPRegressor, FMRegressor])
def test_missing_is_a_category_and_unseen_is_not(kind):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    column, y = rng.choice(["a", "b", "c"], 120).astype(object), rng.normal(size=120)
    for nothing in (None, np.nan, pandas.NA):
        missing = column.copy()
        missing[::7] = nothing
        X = np.column_stack([missing, rng.choice(["x", "y"], 120)])
        net = kind(categorical_features=[0, 1], random_state=0).fit(X, y)
        assert net._columns.cardinalities == (5, 3)
        absent, unseen = net.predict(np.array([[nothing, "x"], ["q", "x"]], object))
        assert absent != unseen
        assert net.predict(np.array([["q", 7]], object)) == net.predict(np.array([["r", "s"]], object))
    frame = pandas.DataFrame({"n": y, "c": pandas.Series(column, dtype="string")})
    net = kind(categorical_features=["c"], random_state=0, max_iter=3).fit(frame, y)
    gone = pandas.DataFrame({"n": [1.0], "c": [np.nan]})
    assert net.predict(gone) == net.predict(gone.assign(c="never seen"))


@pytest.mark.parametrize("chosen", ["from_dtype", ["a", "b"], [0, 1], [True, True]])
@pytest.mark.parametrize("kind", [MLPClassifier, DeepFMClassifier])
def test_all_columns_may_be_categories(kind, chosen):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pandas.DataFrame({"a": rng.choice(["p", "q"], 300), "b": rng.choice(["x", "y", "z"], 300)})
    y = (X["a"] == "p") ^ (X["b"] == "y")
    assert kind(categorical_features=chosen, learning_rate_init=0.02, random_state=0).fit(X, y).score(X, y) > 0.95


@pytest.mark.parametrize("chosen", ["from_dtype", [], [False] * 5])
def test_no_column_may_be_categories(chosen):
    pandas = pytest.importorskip("pandas")
    X, y = numbers()
    frame = pandas.DataFrame(X, columns=list("abcde"))
    net = MLPRegressor(categorical_features=chosen, random_state=0, max_iter=3).fit(frame, y)
    assert np.array_equal(net.predict(frame), MLPRegressor(random_state=0, max_iter=3).fit(X, y).predict(X))


def test_columns_that_cannot_be_categories_are_refused():
    X, y = numbers(4)
    mixed = np.array([["a", 1.0], [2, 3.0], ["b", 2.0], [3, 1.0]], object)
    with pytest.raises(TypeError, match="categorical_features: column 0 of X holds values that cannot be sorted"):
        MLPRegressor(categorical_features=[0]).fit(mixed, y)
    with pytest.raises(TypeError, match="categorical_features needs a dense X or a DataFrame, got a sparse matrix"):
        MLPRegressor(categorical_features=[0]).fit(scipy.sparse.csr_matrix(X), y)


# ---------------------------------------------------------------- what is changed after a fit
def test_activations_and_sizes_may_be_changed_as_in_scikit_learns():
    X, y = classes(3)
    made = {"hidden_layer_sizes": (9, 7), "random_state": 0, "max_iter": 20}
    for change in (
        lambda net: setattr(net, "out_activation_", "identity"),
        lambda net: setattr(net, "activation", "tanh"),
        lambda net: (net.coefs_.__setitem__(slice(None), [net.coefs_[0][:, :5], net.coefs_[1][:5], net.coefs_[2]]),
                     net.intercepts_.__setitem__(0, net.intercepts_[0][:5])),
    ):
        found, wanted = (package.MLPClassifier(**made).fit(X, y) for package in (nn.sklearn, neural_network))
        for net in (found, wanted):
            net.predict(X)
            change(net)
        np.testing.assert_allclose(found.predict_proba(X), wanted.predict_proba(X), rtol=1e-9)
        again = pickle.loads(pickle.dumps(found))
        assert np.array_equal(again.predict_proba(X), found.predict_proba(X))


def test_an_estimator_may_be_put_together_by_hand():
    X, y = numbers()
    given = neural_network.MLPRegressor(hidden_layer_sizes=(6,), random_state=0, max_iter=20).fit(X, y)
    net = MLPRegressor(hidden_layer_sizes=(6,))
    for name in ("coefs_", "intercepts_", "n_layers_", "out_activation_", "n_outputs_", "n_features_in_"):
        setattr(net, name, getattr(given, name))
    np.testing.assert_allclose(net.predict(X), given.predict(X), rtol=1e-9)


def test_weights_of_another_dtype_are_trained_on():
    X, y = classes()
    net = MLPClassifier((7,), max_iter=5, random_state=0).fit(X, y)
    net.coefs_ = [part.astype(np.float32) for part in net.coefs_]
    net.partial_fit(X, y)
    assert all(np.isfinite(part).all() for part in net.coefs_)


@pytest.mark.parametrize("changes, words", [
    ({"hidden_layer_sizes": (4,)}, r"hidden_layer_sizes \(\(7,\), now \(4,\)\)"),
    ({"normalization": "batch"}, r"normalization \(None, now 'batch'\)"),
    ({"categorical_features": [0]}, r"categorical_features have changed since: None, now \[0\]"),
])
def test_what_no_longer_fits_is_named(changes, words):
    X, y = numbers()
    net = MLPRegressor(hidden_layer_sizes=(7,), max_iter=3, random_state=0).fit(X, y)
    before = net.predict(X)
    with pytest.raises(ValueError, match=words):
        net.set_params(**changes).partial_fit(X, y)
    with pytest.raises(ValueError, match=words):
        net.set_params(warm_start=True).fit(X, y)
    assert np.array_equal(net.predict(X), before)


def test_a_loss_that_is_changed_is_trained_with():
    X, y = numbers()
    nets = [MLPRegressor(max_iter=3, random_state=0).fit(X, y) for _ in range(2)]
    nets[1].set_params(loss="mae")
    for net in nets:
        net.partial_fit(X, y)
    assert nets[0].loss_ != nets[1].loss_ and type(nets[1]._network.model.loss).__name__ == "MeanAbsoluteError"


# ---------------------------------------------------------------- arguments
@pytest.mark.parametrize("parameters, words", [
    ({"solver": "lbfgs", "clipnorm": 1.0}, "clipnorm is for solvers that go epoch by epoch"),
    ({"solver": "lbfgs", "progress_bar": True}, "progress_bar is for solvers that go epoch by epoch"),
    ({"solver": "lbfgs", "callbacks": [nn.callbacks.EarlyStopping()]}, "callbacks is for solvers that go epoch by epoch"),
    ({"solver": "lbfgs", "learning_rate": nn.schedules.CosineDecay(0.1, 9)}, "learning_rate is for solvers"),
    ({"solver": nn.optimizers.SGD(), "learning_rate": nn.schedules.CosineDecay(0.1, 9)}, "learning_rate is an argument of"),
    ({"hidden_layer_sizes": (3.5,)}, "hidden_layer_sizes must be integers"),
    ({"hidden_layer_sizes": (True,)}, "hidden_layer_sizes must be integers"),
    ({"initial_coefs": [np.full((5, 100), np.nan), np.zeros((100, 1))]}, "initial_coefs must be finite real numbers"),
])
def test_what_would_be_ignored_or_make_no_sense_is_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        MLPRegressor(**parameters).fit(*numbers())


def test_targets_that_are_no_numbers_are_refused():
    X, y = numbers()
    with pytest.raises(ValueError, match="y must hold numbers, got <U"):
        MLPRegressor().fit(X, y.astype(str))


def test_without_hidden_layers_there_is_nothing_to_transform_to():
    X, y = numbers()
    net = MLPRegressor(hidden_layer_sizes=()).fit(X, y)
    assert not hasattr(net, "transform") and not hasattr(net, "fit_transform") and not hasattr(net, "get_feature_names_out")


def test_a_filter_for_scikit_learns_warnings_is_one_for_ours():
    X, y = numbers()
    for solver in ("adam", "lbfgs"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", category=ConvergenceWarning, module="sklearn")
            MLPRegressor(solver=solver, max_iter=1).fit(X, y)


@pytest.mark.parametrize("make", [scipy.sparse.bsr_array, scipy.sparse.coo_array, list])
def test_a_scorer_sees_rows_of_any_x(make):
    X, y = classes()
    net = MLPClassifier(early_stopping=True, scoring="accuracy", max_iter=3, random_state=0).fit(make(X), y)
    assert net.validation_scores_ == MLPClassifier(early_stopping=True, max_iter=3, random_state=0).fit(X, y).validation_scores_


# ---------------------------------------------------------------- many, and from scikit-learn's
def test_many_want_callbacks_of_their_own_and_estimators():
    X, y = classes()
    stop = nn.callbacks.EarlyStopping(monitor="loss")
    with pytest.raises(ValueError, match="give each estimator callbacks of its own"):
        fit_many([MLPClassifier(callbacks=[stop]), MLPClassifier(callbacks=stop)], X, y)
    with pytest.raises(TypeError, match="estimators must be of nncore.sklearn, got int"):
        fit_many([5], X, y)
    with pytest.raises(ValueError, match="n_jobs must not be 0"):
        fit_many([MLPClassifier()], X, y, n_jobs=0)


def test_one_of_many_that_fails_does_not_cut_others_short():
    X, y = classes()

    class Failing(nn.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise ZeroDivisionError

    nets = [MLPClassifier(callbacks=[Failing()]), MLPClassifier((8,), max_iter=300, n_iter_no_change=10**6, random_state=0)]
    with pytest.raises(ZeroDivisionError):
        fit_many(nets, X, y, n_jobs=2)
    assert not hasattr(nets[0], "coefs_") and getattr(nets[1], "n_iter_", 300) == 300


def test_slices_and_negative_jobs():
    X, y = classes()
    nets = [MLPClassifier((4,), max_iter=2, random_state=0) for _ in range(2)]
    fit_many(nets, X, y, rows=[slice(0, 100), slice(None, None, 2)], n_jobs=-1)
    for net, part in zip(nets, (slice(0, 100), slice(None, None, 2)), strict=True):
        again = MLPClassifier((4,), max_iter=2, random_state=0).fit(X[part], y[part])
        assert np.array_equal(net.coefs_[0], again.coefs_[0])


def test_a_net_of_scikit_learns_goes_on():
    X, y = classes(3)
    theirs = neural_network.MLPClassifier(early_stopping=True, warm_start=True, random_state=0, max_iter=5).fit(X, y)
    net = from_sklearn(theirs).fit(X, y)
    assert len(net.validation_scores_) == len(net.validation_loss_curve_) > 5


@pytest.mark.parametrize("parameters", [
    {"loss": "huber", "solver": "rmsprop"}, {"activation": ["relu"]}, {"activation": "sigmoid"},
    {"output_activation": "linear"}, {"learning_rate": nn.schedules.CosineDecay(0.01, 50)}])
def test_conversions_are_estimators_that_can_be_fitted(parameters):
    X, y = numbers()
    net = MLPRegressor(max_iter=5, random_state=0, **parameters).fit(X, y)
    theirs = net.set_params(activation=net.activation).to_sklearn()
    np.testing.assert_allclose(theirs.predict(X), net.predict(X), rtol=1e-9)
    theirs.fit(X, y)


# ---------------------------------------------------------------- memory
@pytest.mark.parametrize("make", [
    lambda: MLPClassifier(max_iter=2), lambda: MLPClassifier(solver="lbfgs", max_iter=2),
    lambda: MLPClassifier(max_iter=2, early_stopping=True, callbacks=[nn.callbacks.EarlyStopping()]),
    lambda: DeepFMClassifier(max_iter=2)])
def test_a_net_that_nobody_holds_is_gone_at_once(make):
    X, y = classes()
    gc.collect()
    gc.disable()
    try:
        net = make().fit(X, y)
        net.predict(X), net.predict(X[:1])
        seen = weakref.ref(net._network.model)
        del net
        assert seen() is None
    finally:
        gc.enable()
