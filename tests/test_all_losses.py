"""The catalogue of losses: numbers that others made, reductions, targets, and training with each in both executors."""

import numpy as np
import oracle
import pytest

import nncore as nn
from nncore import executor, kernels, losses, reference
from nncore._core import core, isa
from nncore.data import load_digits
from nncore.kernels.losses import LOWERED
from nncore.layers import Dense
from nncore.testing import KERNELS

EXECUTORS = {"compiled": nn.executor.Executor, "reference": reference.executor.Executor}
DTYPES = ["float32", "float64"]
needs_fma = pytest.mark.skipif(isa == "v2", reason="x86-64-v2 has no FMA: it agrees within tolerance only")


# Keras's numbers: keras/src/losses/losses_test.py, at 3422977a -------------------------------------------------

A = [[1, 9, 2], [-5, -2, 6]]
B = np.array([[4, 8, 12], [8, 1, 3]], "f4")
TWO = [[1.2], [3.4]]
SIDES, SCORES = [[0.0, 1.0], [0.0, 0.0]], [[0.6, 0.4], [0.4, 0.6]]
EYE = np.eye(3)
PROBABILITIES = [[0.9, 0.05, 0.05], [0.5, 0.89, 0.6], [0.05, 0.01, 0.94]]
LOGITS = [[8.0, 1.0, 1.0], [0.0, 9.0, 1.0], [2.0, 3.0, 5.0]]
BITS, CERTAIN = [[1, 0], [1, 0]], np.array([[1, 1], [1, 0]], "f4")
BINARY_LOGITS = [[10.0, -10.0, 10.0], [10.0, 10.0, -10.0]]
FOCAL = np.array([[0.9, 0.8], [0.7, 0.2]], "f4")
FOCAL_Y, FOCAL_LOGITS = [[1, 1, 0], [0, 1, 0]], [[1.5, -2.7, 2.9], [-3.8, 1.2, -4.5]]
THREE = [[1.2], [3.4], [5.6]]
ERROR = [[0.9, 0.2, 0.2], [0.8, 0.4, 0.6]]
TRUTH = [[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
SHARES = np.array([[0.4, 0.9, 0.12], [0.36, 0.3, 0.4]]), np.array([[0.5, 0.8, 0.12], [0.7, 0.43, 0.8]])
COUNTS = np.array([[1, 9, 2], [5, 2, 6]], "f4"), np.array([[4, 8, 12], [8, 1, 3]], "f4")
STEPS = np.array([[3, 6, 5], [0, 4, 2]])
MEAN = "mean_with_sample_weight"


def steps(array):
    return np.reshape(array, (2, 3, 1))


KERAS = [
    (losses.MeanSquaredError(), A, B, None, 49.5),
    (losses.MeanSquaredError(), A, B, 2.3, 113.85),
    (losses.MeanSquaredError(), A, B, TWO, 767.8 / 6),
    (losses.MeanSquaredError(), steps(A), steps(B), STEPS, 97.833336),
    (losses.MeanSquaredError(), A, B, 0, 0.0),
    (losses.MeanSquaredError(None), A, B, 2.3, [84.3333, 143.3666]),
    (losses.MeanSquaredError("sum"), A, B, 2.3, 227.69998),
    (losses.MeanSquaredError(MEAN), A, B, TWO, (110 / 3 * 1.2 + 187 / 3 * 3.4) / (1.2 + 3.4)),
    (losses.MeanAbsoluteError(), A, B, None, 5.5),
    (losses.MeanAbsoluteError(), A, B, TWO, 81.4 / 6),
    (losses.MeanAbsoluteError(), steps(A), steps(B), STEPS, 13.833333),
    (losses.MeanAbsoluteError("none"), A, B, 2.3, [10.7333, 14.5666]),
    (losses.MeanAbsoluteError(MEAN), A, B, TWO, (14 / 3 * 1.2 + 19 / 3 * 3.4) / (1.2 + 3.4)),
    (losses.MeanAbsolutePercentageError(), A, B, None, 211.8518),
    (losses.MeanAbsolutePercentageError(), A, B, TWO, 422.8888),
    (losses.MeanAbsolutePercentageError(), steps(A), steps(B), STEPS, 694.4444),
    (losses.MeanAbsolutePercentageError(MEAN), A, B, TWO, 183.865),
    (losses.MeanSquaredLogarithmicError(), A, B, None, 1.4370),
    (losses.MeanSquaredLogarithmicError(), A, B, TWO, 3.7856),
    (losses.MeanSquaredLogarithmicError(), steps(A), steps(B), STEPS, 2.647374),
    (losses.MeanSquaredLogarithmicError(MEAN), A, B, TWO, 1.646),
    (losses.Hinge(), SIDES, SCORES, None, 1.3),
    (losses.Hinge("sum"), SIDES, SCORES, [1, 0], 1.1),
    (losses.Hinge(None), SIDES, SCORES, None, [1.1, 1.5]),
    (losses.SquaredHinge(), SIDES, SCORES, None, 1.86),
    (losses.SquaredHinge(None), SIDES, SCORES, [1, 0], [1.46, 0.0]),
    (losses.CategoricalHinge(), SIDES, SCORES, None, 1.4),
    (losses.CategoricalHinge(None), SIDES, SCORES, None, [1.2, 1.6]),
    # Keras computes the expected values of the next in its test, from these formulas.
    (losses.Huber(), TRUTH, ERROR, None, (0.01 + 0.04 + 0.64 + 0.04 + 0.16 + 0.36) / 12),
    (losses.Huber(0.8), TRUTH, ERROR, 2.3, 2.3 * (0.01 + 0.04 + 0.64 + 0.04 + 0.16 + 0.36) / 12),
    (losses.LogCosh(), A, B, TWO, np.mean(np.log(np.cosh(B - A)) * TWO)),
    (losses.KLDivergence(), *SHARES[::-1], None, np.sum(SHARES[1] * np.log(SHARES[1] / SHARES[0])) / 2),
    (losses.KLDivergence(), *map(steps, SHARES[::-1]), STEPS,
     np.mean(SHARES[1] * np.log(SHARES[1] / SHARES[0]) * STEPS)),
    (losses.Poisson(), *COUNTS[::-1], None, np.mean(COUNTS[0] - COUNTS[1] * np.log(COUNTS[0]))),
    (losses.CosineSimilarity(), A, B, [1.2, 3.4],
     -np.mean((np.array(A) * B).sum(1) / np.linalg.norm(A, axis=1) / np.linalg.norm(B, axis=1) * [1.2, 3.4])),
    (losses.BinaryCrossentropy(), EYE, [[0.9, 0.1, 0.2], [0.3, 0.8, 0.1], [0.1, 0.2, 0.7]], None, 0.20046903),
    (losses.BinaryCrossentropy(), BITS, CERTAIN, None, 3.98559),
    (losses.BinaryCrossentropy(), BITS, CERTAIN, TWO, 4.7827),
    (losses.BinaryCrossentropy(True), [[1, 0, 1], [0, 1, 1]], BINARY_LOGITS, [4, 3], 10.0),
    (losses.BinaryCrossentropy(True, reduction=None), [[1, 0, 1], [0, 1, 1]], BINARY_LOGITS, None, [0.0, 6.666]),
    (losses.BinaryCrossentropy(True, 0.1), [[1, 0, 1]], [[10.0, -10.0, -10.0]], None, (10.0 + 5.0 * 0.1) / 3.0),
    (losses.CategoricalCrossentropy(), EYE, PROBABILITIES, THREE, 1.0696),
    (losses.CategoricalCrossentropy(True), EYE, LOGITS, THREE, 0.31829),
    (losses.CategoricalCrossentropy(True, reduction=None), EYE, LOGITS, None, [0.001822, 0.000459, 0.169846]),
    (losses.CategoricalCrossentropy(True, 0.1), [[1, 0, 0]], [[100.0, -100.0, -100.0]], None, 400.0 * 0.1 / 3.0),
    (losses.SparseCategoricalCrossentropy(), [0, 1, 2], PROBABILITIES, 2.3, 0.7449),
    (losses.SparseCategoricalCrossentropy(True), [[0], [1], [2]], LOGITS, THREE, 0.31829),
    (losses.SparseCategoricalCrossentropy(True, -1, None), [[-1, 2]],
     [[[0.854, 0.698, 0.598], [0.088, 0.86, 0.018]]], None, [[0.0, 1.480129]]),
    (losses.SparseCategoricalCrossentropy(True, -1, None), [[[-1], [2]]],
     [[[0.854, 0.698, 0.598], [0.088, 0.86, 0.018]]], None, [[0.0, 1.480129]]),
    (losses.BinaryFocalCrossentropy(), BITS, FOCAL, None, 0.268),
    (losses.BinaryFocalCrossentropy(), BITS, FOCAL, TWO, 0.34415),
    (losses.BinaryFocalCrossentropy(reduction=None), BITS, FOCAL, None, [0.515547, 0.020513]),
    (losses.BinaryFocalCrossentropy(gamma=3.0, from_logits=True), FOCAL_Y, FOCAL_LOGITS, None, 0.799),
    (losses.BinaryFocalCrossentropy(gamma=3.0, from_logits=True), FOCAL_Y, FOCAL_LOGITS, TWO, 0.95977),
    (losses.CategoricalFocalCrossentropy(), EYE, PROBABILITIES, None, 0.02059),
    (losses.CategoricalFocalCrossentropy(), EYE, PROBABILITIES, THREE, 0.06987),
    (losses.CategoricalFocalCrossentropy(from_logits=True), EYE, LOGITS, None, 0.000345),
    (losses.CategoricalFocalCrossentropy(from_logits=True, reduction=None), EYE, LOGITS, None,
     [1.5096224e-09, 2.4136547e-11, 1.0360638e-03]),
    (losses.CategoricalFocalCrossentropy(from_logits=True, label_smoothing=0.1), [[1, 0, 0]], [[4.9, -0.5, 2.05]],
     None, 0.06685),
]


@pytest.mark.parametrize("case", KERAS, ids=lambda case: f"{case[0].name}-{case[0].reduction}")
def test_the_numbers_of_keras(case):
    loss, y_true, y_pred, weight, wanted = case
    got = loss(y_true, y_pred, weight)
    assert np.shape(got) == np.shape(wanted)
    rtol = 2e-3 if "focal" in loss.name else 2e-4  # its own test wants three digits, and more they are not good for
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=1e-4 * (np.max(np.abs(wanted)) > 0.1))


def test_keras_on_other_axes():
    # Class axis 1 of (batch, classes, places), as its test_label_smoothing_with_axis has it.
    y_true = np.array([[[1, 0], [0, 1], [0, 0]], [[0, 1], [1, 0], [0, 0]]], "f4")
    y_pred = np.array([[[0.8, 0.1], [0.1, 0.8], [0.1, 0.1]], [[0.1, 0.8], [0.8, 0.1], [0.1, 0.1]]], "f4")
    smooth = y_true * 0.9 + 0.1 / 3
    plain = losses.CategoricalCrossentropy(label_smoothing=0.1, axis=1)(y_true, y_pred)
    assert plain == pytest.approx(-np.mean(np.sum(smooth * np.log(y_pred), axis=1)), rel=1e-5)
    focal = losses.CategoricalFocalCrossentropy(label_smoothing=0.1, axis=1)(y_true, y_pred)
    assert focal == pytest.approx(-np.mean(np.sum(0.25 * (1 - y_pred) ** 2 * smooth * np.log(y_pred), axis=1)), rel=1e-4)
    pixels = np.array([[0, 1, 1, 0], [1, 0, 1, 0]])
    outputs = np.stack([1.0 - pixels, pixels])  # the class axis first
    assert losses.SparseCategoricalCrossentropy(axis=0)(pixels, outputs) == pytest.approx(0, abs=1e-6)


# PyTorch's numbers (2.x, float64, by autograd): mean over the elements, or the rows where it says so -------------

P = np.array([[0.3, -1.2, 2.5], [-0.4, 0.9, -3.1]])
T = np.array([[1.0, -0.5, 0.25], [-2.0, 1.5, 0.75]])
Q = np.array([[0.3, 0.2, 0.5], [0.6, 0.3, 0.1]])
RATES, SEEN = np.array([[0.3, 1.2, 2.5], [0.4, 0.9, 3.1]]), np.array([[1.0, 0, 4], [2, 1, 3]])
SOFT = np.array([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05]])
LABELS = np.array([[1.0, 0, 1], [0, 1, 0]])
ONE_HOT = np.array([[0.0, 0, 1], [1, 0, 0]])
NORMAL = np.concatenate([P, [[0.5, 1.5, 1e-9], [2.0, 0.25, 3.0]]], axis=1)
TORCH = {
    "l1_loss": (kernels.mean_absolute_error(P, T), 1.616666666666667,
                [-1 / 6, -1 / 6, 1 / 6, 1 / 6, -1 / 6, -1 / 6]),
    "huber_loss, delta 0.7": (kernels.huber(P, T, delta=0.7), 0.8875,
                              [-0.7 / 6, -0.7 / 6, 0.7 / 6, 0.7 / 6, -0.1, -0.7 / 6]),
    "log(cosh)": (kernels.log_cosh(P, T), 1.0494480010856475,
                  [-0.100727962852861, -0.100727962852861, 0.163004352456469, 0.153611425734412, -0.0895082611663392,
                   -0.166515792592253]),
    "poisson_nll_loss, eps 1e-7": (kernels.poisson(RATES, SEEN), 0.7470907200906071,
                                   [-0.388888703703765, 1 / 6, -0.0999999893333338, -0.666666458333385,
                                    -0.0185184979423891, 0.00537634928893496]),
    # scikit-learn's mean_poisson_deviance / 2, as is that with SciPy's xlogy
    "half the Poisson deviance": (kernels.poisson_deviance(RATES, SEEN), 0.6183090322276554,
                                  [-0.3888888888888889, 1 / 6, -0.1, -2 / 3, -0.018518518518518528, 0.005376344086021519]),
    "half the Poisson deviance of logarithms": (
        kernels.exponential_poisson_deviance(np.log(RATES), SEEN), 0.6183090322276554,
        [-0.7 / 6, 0.2, -0.25, -1.6 / 6, -0.1 / 6, 0.1 / 6]),
    "gaussian_nll_loss": (kernels.gaussian_nll(NORMAL, T), 421874.6058143732,
                          [-0.233333333333333, -0.0777777777777778, 375000.0, 0.00333333333333335, 0.0374074074074074,
                           -421874916666.667, 0.133333333333333, -0.4, -0.213888888888889, -0.0116666666666667,
                           -0.146666666666667, -0.109467592592593]),
    "gaussian_nll_loss, full": (kernels.gaussian_nll(NORMAL, T, full=True, eps=1e-2), 43.47978127067703,
                                [-0.233333333333333, -0.0777777777777778, 37.5, 0.00333333333333335,
                                 0.0374074074074074, -4210.41666666667, 0.133333333333333, -0.4, -0.213888888888889,
                                 -0.0116666666666667, -0.146666666666667, -0.109467592592593]),
    "cross_entropy of ids, smoothed": (kernels.softmax_cross_entropy(P, [2, 0], label_smoothing=0.2),
                                       1.0845310880658774,
                                       [0.015455990529479, -0.0224469636862904, 0.00699097315681135,
                                        -0.327770202364374, 0.354009111354525, -0.026238908990151]),
    "cross_entropy, smoothed": (kernels.softmax_cross_entropy(P, SOFT, label_smoothing=0.2), 1.5825310880658776,
                                [-0.264544009470521, -0.10244696368629, 0.366990973156811, 0.0522297976356264,
                                 -0.00599088864547542, -0.046238908990151]),
    "kl_div, batchmean": (kernels.kl_divergence(Q, SOFT), 0.631006539655767,
                          [-1.16666666666667, -0.5, -0.1, -0.0416666666666667, -1.5, -0.25]),
    "cosine_similarity, mean": (kernels.cosine_similarity(P, T), -0.22830993939008765,
                                [-0.147268659315485, 0.04143030907339, 0.0375587874730854, 0.118178436321119,
                                 -0.089218317858537, -0.0411509227745584]),
    "clamp(1 - t p)": (kernels.hinge(P, np.sign(T)), 0.9166666666666665, [-1 / 6, 0, 0, 1 / 6, -1 / 6, -1 / 6]),
    "sigmoid focal, alpha 0.3, gamma 1.7": (
        kernels.sigmoid_focal_cross_entropy(P, LABELS, apply_class_balancing=True, alpha=0.3, gamma=1.7),
        0.02385730668667801,
        [-0.0113132402137367, 0.00557973157331274, -0.000124613043223197, 0.0228179871787765, -0.00425182058443798,
         6.39108663588011e-05]),
    "softmax focal, alpha 0.4, gamma 1.7": (
        kernels.softmax_focal_cross_entropy(P, ONE_HOT, alpha=0.4, gamma=1.7), 0.20853827845313896,
        [0.00136459655789411, 0.00030448264850091, -0.00166907920639502, -0.180028150301431, 0.176790126191022,
         0.00323802411040851]),
    "log1p": (kernels.mean_squared_logarithmic_error(RATES, SEEN), 0.2530923289919446,
              [-0.110457157972424, 0.119463221267314, -0.0339690422798793, -0.181461917154023, -0.00899882357676324,
               0.00200752947889199]),
    "multiclass margin": (kernels.categorical_hinge(P, ONE_HOT), 1.15, [0, 0, 0, -0.5, 0.5, 0]),
    "quantiles": (kernels.pinball(P, [0.2, -0.7], [0.1, 0.5, 0.9]), 0.7083333333333335,
                  [0.15, -1 / 12, 1 / 60, 0.15, 1 / 12, -0.15]),
    "binary_cross_entropy": (kernels.binary_cross_entropy(Q, LABELS), 0.7243145980096681,
                             [-0.555555555555555, 0.208333333333333, -0.333333333333333, 0.416666666666667,
                              -0.555555555555555, 0.185185185185185]),
}


@pytest.mark.parametrize("name", TORCH)
def test_the_numbers_of_pytorch(name):
    (loss, gradient), value, slopes = TORCH[name]
    assert loss == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(gradient.ravel(), slopes, rtol=1e-12, atol=1e-15)


def test_a_class_that_is_ignored_is_pytorchs():
    loss = losses.SparseCategoricalCrossentropy(True, ignore_class=-100)
    assert loss([2, -100], P) == pytest.approx(0.12709658280048583, rel=1e-12)  # cross_entropy(ignore_index=-100)


# Kinks, ends and rows alone ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_at_kinks(dtype):
    zero, one = np.zeros((1, 1), dtype), np.ones((1, 1), dtype)
    assert kernels.mean_absolute_error(one, one)[1] == 0
    assert kernels.mean_absolute_percentage_error(one, one)[1] == 0
    assert kernels.pinball(one, one, [0.3])[1] == 0
    assert kernels.hinge(one, one)[1] == -1  # as TensorFlow and scikit-learn have it
    assert kernels.perceptron(zero, one)[1] == -1  # else weights of zero would never learn
    assert kernels.mean_squared_logarithmic_error(zero - 1, one)[1] == 0
    # Two classes are the nearest others, and share the gradient.
    _, gradient = kernels.categorical_hinge(np.array([[0.5, 0.5, 0.5]], dtype), np.array([[1, 0, 0]], dtype))
    assert gradient.tolist() == [[-1, 0.5, 0.5]]
    # A norm below 1e-7 counts as that: a constant.
    loss, gradient = kernels.cosine_similarity(np.array([[1e-8, 0]], dtype), np.array([[2, 0]], dtype))
    np.testing.assert_allclose((loss, *gradient[0]), (-0.1, -1e7, 0), rtol=1e-6)
    for gamma in (0.5, 1.0, 2.0, 2.5):
        loss, gradient = kernels.sigmoid_focal_cross_entropy(1e4 * one, one, gamma=gamma)
        assert (loss, gradient.item()) == (0, 0)
        loss, gradient = kernels.sigmoid_focal_cross_entropy(-1e4 * one, one, gamma=gamma)
        assert (loss, gradient.item()) == (1e4, -1)  # not clipped


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_cosh_keeps_its_digits(dtype):
    for d in (1e-8, 1e-4, 0.3, 0.999, 1.0, 1.001, 5.0, 200.0, 1e5):
        loss, _ = kernels.log_cosh(np.array([[d]], dtype), np.zeros((1, 1), dtype))
        x = np.longdouble(np.array(d, dtype))
        exact = x * x / 2 if d < 1e-3 else x - np.log(np.longdouble(2)) + np.log1p(np.exp(-2 * x))
        assert loss == pytest.approx(float(exact), rel=8 * float(np.finfo(dtype).eps) + (d < 1e-3) * d * d)


@pytest.mark.parametrize("kernel", [kernels.gaussian_nll, reference.gaussian_nll])
def test_a_negative_variance_is_nan(kernel):
    rows = np.empty(2)
    _, gradient = kernel(np.array([[1.0, -1e-3], [1.0, 0.0]]), np.array([[0.0], [0.0]]), None, rows)
    assert np.isnan(rows[0]) and np.isnan(gradient[0, 1])
    assert np.isfinite(rows[1]) and np.isfinite(gradient[1]).all()


@pytest.mark.parametrize("module", [kernels, reference])
def test_the_poisson_deviance_at_its_ends(module):
    rows = np.empty(4)
    target = np.array([[0.0], [0.0], [3.0], [0.0]])
    with np.errstate(all="ignore"):
        module.poisson_deviance(np.array([[0.0], [2.0], [3.0], [-1.0]]), target, None, rows)
        assert rows[:3].tolist() == [0, 2, 0] and np.isnan(rows[3])
        assert np.isnan(module.poisson_deviance(np.array([[-1.0]]), np.array([[2.0]]))[0])
        _, slopes = module.exponential_poisson_deviance(np.array([[-np.inf], [np.log(2)], [-1e4], [-1e4]]), target, None, rows)
    wanted = 3 * (np.log(3) + 1e4) - 3  # where exp(z) itself is 0, and a quotient would be inf
    np.testing.assert_allclose(rows, [0, 2, wanted, 0], rtol=1e-15)
    np.testing.assert_allclose(slopes[:, 0], [0, 0.5, -0.75, 0], rtol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_poisson_deviance_is_that_of_scikit_learn(weighted, dtype):
    deviance = pytest.importorskip("sklearn.metrics").mean_poisson_deviance
    rng = np.random.default_rng(2)
    y, z = rng.poisson(2.0, (200, 3)).astype(dtype), rng.normal(size=(200, 3)).astype(dtype)
    weight = rng.uniform(0, 2, 200).astype(dtype) if weighted else None
    wanted = np.mean([deviance(y[:, j], np.exp(z[:, j]), sample_weight=weight) for j in range(3)]) / 2
    rtol = 1e-5 if dtype == "float32" else 1e-12
    assert losses.PoissonDeviance(reduction=MEAN)(y, np.exp(z), weight) == pytest.approx(wanted, rel=rtol)
    assert losses.PoissonDeviance(True, MEAN)(y, z, weight) == pytest.approx(wanted, rel=rtol)


@needs_fma
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", [row for row in KERNELS if row.name in LOWERED],
                         ids=lambda row: row.id)
def test_a_row_has_the_same_bits_alone_and_in_a_batch(row, dtype):
    wrt = row.differentiable[0]
    for case in list(row.cases(dtype, seed=2))[:12]:
        a, rows = case.arguments, np.empty(len(case.arguments[wrt]), dtype)
        getattr(kernels, row.name)(**a, rows_out=rows)
        for b in (0, len(rows) // 2, len(rows) - 1):
            alone, of_row = np.empty(1, dtype), (wrt, "target", "sample_weight")
            part = {name: value[b : b + 1] if name in of_row and value is not None else value
                    for name, value in a.items()}
            getattr(kernels, row.name)(**part, rows_out=alone)
            assert alone.tobytes() == rows[b : b + 1].tobytes(), case.label


# Reductions -------------------------------------------------------------------------------------------------


def weights_op(weight, ids, reduction, ignored, dtype):
    """Run the core's op as a program does."""
    rows = len(weight if weight is not None else ids)
    out, safe = np.full(rows, np.nan, dtype), None if ids is None else np.full(rows, -9, np.int64)
    number = executor._REDUCTIONS.index(reduction)
    core.run_kernel(core.KERNELS.index("loss_weights"), rows, (weight, ids, out, safe), (1, 0, number, ignored or 0), (),
                    dtype == "float64")
    return out, safe


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ignored", [None, 1, -1])
@pytest.mark.parametrize("reduction", executor._REDUCTIONS)
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 65])
def test_weights_of_a_reduction_to_the_bit(rows, reduction, ignored, dtype):
    rng = np.random.default_rng(rows)
    weight = rng.uniform(0, 2, rows).astype(dtype)
    ids = None if ignored is None else rng.integers(-1, 3, rows)
    for given in (weight, None):
        if given is None and ids is None:
            continue
        w = np.ones(rows, dtype) if given is None else given
        kept = np.ones(rows, bool) if ids is None else ids != ignored
        w = np.where(kept, w, w.dtype.type(0))
        total = {"sum": 1.0, "mean": float(kept.sum()), "none": float(rows)}.get(reduction)
        if total is None:
            total = float(oracle.lanes_sum(w.astype(np.float64)[None])[0, 0])
        wanted = w * w.dtype.type(rows / total if total else 0.0)
        got, safe = weights_op(given, ids, reduction, ignored, dtype)
        assert got.tobytes() == wanted.tobytes()
        twin, twin_ids = np.empty(rows, dtype), None if ids is None else np.empty(rows, np.int64)
        reference.loss_weights(given, ids, twin, twin_ids, reduction, ignored)
        np.testing.assert_allclose(twin, wanted, rtol=1e-6)
        if ids is not None:
            assert safe.tolist() == twin_ids.tolist() == np.where(kept, ids, 0).tolist()


def test_reductions_by_hand():
    y, p, w = [[1.0], [2.0], [3.0]], [[2.0], [4.0], [6.0]], [0.0, 1.0, 3.0]  # values 1, 4, 9: weighted 0, 4, 27
    wanted = {"sum_over_batch_size": 31 / 3, "mean": 31 / 3, "sum": 31, "mean_with_sample_weight": 31 / 4}
    for reduction, value in wanted.items():
        assert losses.MeanSquaredError(reduction)(y, p, w) == pytest.approx(value, rel=1e-6)
    assert losses.MeanSquaredError("mean_with_sample_weight")(y, p) == pytest.approx(14 / 3, rel=1e-6)
    assert losses.MeanSquaredError("mean_with_sample_weight")(y, p, [0, 0, 0]) == 0
    assert losses.MeanSquaredError("sum")(y, p, 0.5) == 7
    # Whatever a masked row holds.
    ignoring = {r: losses.SparseCategoricalCrossentropy(True, 7, r) for r in (*wanted, None)}
    logits, ids, two = [[0.0, 0.0], [np.nan, np.nan], [0.0, 0.0]], [0, 7, 1], 2 * np.log(2)
    for reduction, value in {"mean": two / 2, "sum": two, "mean_with_sample_weight": two / 2}.items():
        assert ignoring[reduction](ids, logits) == pytest.approx(value, rel=1e-6)
    assert ignoring["mean"](ids, logits, [1, 5, 3]) == pytest.approx(two, rel=1e-6)
    assert ignoring["mean_with_sample_weight"](ids, logits, [1, 5, 3]) == pytest.approx(two / 2, rel=1e-6)
    assert ignoring[None](ids, logits).tolist() == pytest.approx([two / 2, 0, two / 2])
    assert ignoring["mean"]([7, 7, 7], logits) == 0


def test_shapes_of_arrays():
    mse = losses.MeanSquaredError(None)
    assert mse(np.zeros((2, 3)), np.ones((2, 3, 1))).tolist() == [1, 1]  # Keras drops the axis of length 1
    assert mse(np.zeros((2, 3, 1)), np.ones((2, 3))).tolist() == [1, 1]
    assert mse(np.zeros(3), np.ones((3, 1))).shape == mse(np.zeros((3, 1)), np.ones(3)).shape == (3,)
    assert mse(np.zeros((2, 3, 4, 5)), np.ones((2, 3, 4, 5))).shape == (2, 3, 4)
    assert mse([1.0], [2.0]).shape == ()
    weighted = losses.MeanSquaredError(None)(np.zeros((2, 3, 1)), np.ones((2, 3, 1)), [1.0, 2.0])
    assert weighted.tolist() == [[1, 1, 1], [2, 2, 2]]
    assert losses.QuantileLoss([0.1, 0.9], None)(np.zeros(3), np.ones((3, 2))).shape == (3,)
    assert losses.QuantileLoss([0.1, 0.9], None)(np.zeros((4, 3, 2)), np.ones((4, 3, 4))).shape == (4, 3)
    assert losses.MeanSquaredError(dtype="float64")([0.1], [0.3]) == pytest.approx(0.04, rel=1e-15)
    for shape in ((3,), (2, 2), (2, 3, 2)):
        with pytest.raises(ValueError, match=r"sample_weight must hold one weight per row, shape \(2, 3\), got"):
            mse(np.zeros((2, 3, 4)), np.ones((2, 3, 4)), np.ones(shape))


def test_names_are_kerass():
    for name, cls in {
        "mae": "MeanAbsoluteError", "MAPE": "MeanAbsolutePercentageError", "msle": "MeanSquaredLogarithmicError",
        "kld": "KLDivergence", "huber": "Huber", "log_cosh": "LogCosh", "hinge": "Hinge", "squared_hinge": "SquaredHinge",
        "categorical_hinge": "CategoricalHinge", "poisson": "Poisson", "cosine_similarity": "CosineSimilarity",
        "binary_focal_crossentropy": "BinaryFocalCrossentropy", "kl_divergence": "KLDivergence",
        "categorical_focal_crossentropy": "CategoricalFocalCrossentropy",
    }.items():
        assert type(losses.get(name)).__name__ == cls
    assert losses.Huber().name == "huber_loss" and losses.KLDivergence().name == "kl_divergence"
    assert set(losses.BinaryFocalCrossentropy().get_config()) == {
        "name", "reduction", "from_logits", "label_smoothing", "axis", "apply_class_balancing", "alpha", "gamma"}
    for loss in (losses.Huber(2.0, "sum", "h"), losses.QuantileLoss([0.1, 0.9]), losses.GaussianNLLLoss(True, 1e-3),
                 losses.CategoricalFocalCrossentropy([0.2, 0.8], 1.5), losses.CosineSimilarity(2),
                 losses.PoissonDeviance(True, "sum", "d"),
                 losses.SparseCategoricalCrossentropy(True, 3, None, 0), losses.MeanAbsoluteError(dtype="float64")):
        again = losses.get(losses.serialize(loss))
        assert type(again) is type(loss) and again.get_config() == loss.get_config() and again.dtype == loss.dtype


@pytest.mark.parametrize(("make", "message"), [
    (lambda: losses.Huber(0), "Huber: delta must be a finite number above 0, got 0"),
    (lambda: losses.MeanSquaredError("average"), "MeanSquaredError: reduction must be 'sum_over_batch_size', "),
    (lambda: losses.QuantileLoss([0.5, 1.0]), r"QuantileLoss: quantiles must lie between 0 and 1, got \[0.5, 1.0\]"),
    (lambda: losses.QuantileLoss([]), "quantiles must lie between"),
    (lambda: losses.BinaryCrossentropy(label_smoothing=1.5), "label_smoothing must be a number in 0 ... 1, got 1.5"),
    (lambda: losses.BinaryFocalCrossentropy(gamma=-1), "gamma must be a finite number of at least 0"),
    (lambda: losses.GaussianNLLLoss(eps=0), "eps must be a finite number above 0"),
    (lambda: losses.QuantileLoss([0.1, 0.9])([[1.0]], [[1.0, 2.0, 3.0]]), "QuantileLoss wants 2 outputs for each target"),
    (lambda: losses.GaussianNLLLoss()([[1.0]], [[1.0]]), "GaussianNLLLoss wants two outputs for each target"),
    (lambda: losses.GaussianNLLLoss()([[1.0]], [[1.0, -0.5]]), "y_pred holds -0.5 at row 0, column 1, but outputs of "),
    (lambda: losses.Poisson()([[-1.0]], [[1.0]]), "y_true holds -1 .* but targets of Poisson are counts: not negative"),
    (lambda: losses.Poisson()([[1.0]], [[-1.0]]), "y_pred holds -1 .* outputs of Poisson are expected counts"),
    (lambda: losses.PoissonDeviance()([[-1.0]], [[1.0]]), "y_true holds -1 .* targets of PoissonDeviance are counts: not neg"),
    (lambda: losses.PoissonDeviance()([[1.0]], [[0.0]]), "y_pred holds 0 .* PoissonDeviance are expected counts: above 0"),
    (lambda: losses.KLDivergence()([[1.5]], [[1.0]]), "targets of KLDivergence are probabilities: 0 to 1"),
    (lambda: losses.Hinge()([[0.0], [-1.0]], [[1.0], [1.0]]), r"y_true holds 0 .* Hinge are -1 and 1 \(others are neg"),
    (lambda: losses.PerceptronLoss()([[0.0], [2.0]], [[1.0], [1.0]]), "y_true holds 2 .* are 0 and 1, or -1 and 1"),
    (lambda: losses.CategoricalHinge()([0, 2], np.ones((2, 3))), "class ids have to be one-hot here"),
    (lambda: losses.CategoricalFocalCrossentropy([0.1, 0.2])(EYE, EYE), "alpha of CategoricalFocalCrossentropy must be"),
    (lambda: losses.CosineSimilarity(axis=2)(A, B), r"CosineSimilarity: axis is 2, but y_pred has shape \(2, 3\)"),
    (lambda: kernels.pinball(P, T, [0.1, 0.5]), r"pinball: y_pred has shape \(2, 3\) but target has shape \(2, 3\) and"),
    (lambda: kernels.gaussian_nll(P, T), r"gaussian_nll: y_pred has shape \(2, 3\) but target has shape \(2, 3\)"),
    (lambda: kernels.huber(P, T, delta=-1), "huber: delta must be"),
    (lambda: kernels.softmax_cross_entropy(P, [0, 1], label_smoothing=-1), "label_smoothing must be a number in 0"),
])
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# In models --------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(5)
X = RNG.normal(size=(67, 4))
NUMBERS, KINDS = RNG.normal(size=(67, 3)), RNG.integers(0, 3, 67)
HOT, MANY = np.eye(3)[KINDS], RNG.integers(0, 2, (67, 3)).astype(float)
MASKED = np.where(RNG.random(67) < 0.3, -1, KINDS)
# loss: (outputs, activation of the last layer, targets)
TRAINED = {
    losses.MeanSquaredError: (3, None, NUMBERS),
    losses.MeanAbsoluteError: (3, None, NUMBERS),
    losses.MeanAbsolutePercentageError: (3, None, np.abs(NUMBERS) + 9),
    losses.MeanSquaredLogarithmicError: (3, "softplus", np.abs(NUMBERS)),
    lambda r: losses.Huber(0.7, r): (3, None, NUMBERS),
    losses.LogCosh: (3, None, NUMBERS),
    lambda r: losses.QuantileLoss(0.3, r): (3, None, NUMBERS),
    lambda r: losses.QuantileLoss([0.1, 0.5, 0.9], r): (9, None, NUMBERS),
    lambda r: losses.QuantileLoss([0.2, 0.8], r): (2, None, NUMBERS[:, 0]),
    losses.Poisson: (3, "exponential", np.abs(NUMBERS).round()),
    lambda r: losses.PoissonDeviance(reduction=r): (3, "exponential", np.abs(NUMBERS).round()),
    lambda r: losses.PoissonDeviance(reduction=r, name="rates"): (3, "softplus", np.abs(NUMBERS).round()),
    lambda r: losses.PoissonDeviance(True, r): (3, None, np.abs(NUMBERS).round()),
    lambda r: losses.GaussianNLLLoss(True, 1e-3, r): (6, "softplus", NUMBERS),
    lambda r: losses.CosineSimilarity(reduction=r): (3, None, NUMBERS),
    lambda r: losses.BinaryCrossentropy(False, 0.1, reduction=r): (3, "sigmoid", MANY),
    lambda r: losses.BinaryCrossentropy(False, 0.1, reduction=r, name="probabilities"): (3, "hard_sigmoid", MANY),
    lambda r: losses.BinaryFocalCrossentropy(True, reduction=r): (3, "sigmoid", MANY),
    lambda r: losses.BinaryFocalCrossentropy(gamma=1.5, label_smoothing=0.1, reduction=r): (3, "hard_sigmoid", MANY),
    lambda r: losses.CategoricalCrossentropy(False, 0.1, reduction=r): (3, "softmax", HOT),
    lambda r: losses.CategoricalCrossentropy(False, 0.1, reduction=r, name="shares"): (3, "softplus", HOT),
    lambda r: losses.CategoricalFocalCrossentropy(from_logits=True, reduction=r): (3, None, HOT),
    lambda r: losses.CategoricalFocalCrossentropy([0.2, 0.3, 0.5], 1.3, reduction=r): (3, "softplus", HOT),
    lambda r: losses.SparseCategoricalCrossentropy(reduction=r): (3, "softmax", KINDS),
    lambda r: losses.SparseCategoricalCrossentropy(True, -1, r): (3, None, MASKED),
    lambda r: losses.SparseCategoricalCrossentropy(False, 1, r): (3, "softplus", KINDS),
    losses.KLDivergence: (3, "softmax", HOT * 0.8 + 0.05),
    losses.Hinge: (3, "tanh", 2 * MANY - 1),
    losses.SquaredHinge: (3, None, MANY),
    losses.PerceptronLoss: (3, None, MANY),
    losses.CategoricalHinge: (3, None, HOT),
}
CASES = [(make, reduction) for make in TRAINED for reduction in ("sum_over_batch_size", "sum", MEAN)]


def model_of(make, reduction, kind="compiled", dtype="float64", rate=0.02):
    outputs, activation, _ = TRAINED[make]
    model = nn.Sequential([nn.Input((4,)), Dense(7, "tanh", dtype=dtype), Dense(outputs, activation, dtype=dtype)], seed=3)
    model.executor_class = EXECUTORS[kind]
    model.compile(nn.optimizers.SGD(rate / (16 if reduction == "sum" else 1), 0.5), make(reduction))
    return model


def named(case):
    loss = case[0](case[1])
    return f"{loss.name}-{case[1]}"


def value(loss, y, predictions, weight):
    """The epoch's loss as Keras has it: that of each batch, weighted by its rows."""
    parts = [slice(b, b + 16) for b in range(0, len(y), 16)]
    return sum(loss(y[s], predictions[s], weight[s]) * len(y[s]) for s in parts) / len(y)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_training_in_both_executors(case):
    y, weight = TRAINED[case[0]][2], np.random.default_rng(1).uniform(0, 2, 67)
    models = [model_of(*case, kind) for kind in EXECUTORS]
    logs = [model.fit(X, y, 16, 4, 0, sample_weight=weight).history["loss"] for model in models]
    np.testing.assert_allclose(logs[0], logs[1], rtol=1e-9)
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-11)
    assert logs[0][-1] < logs[0][0]
    wanted = value(case[0](case[1]), y, models[0].predict(X), weight)
    for model in models:
        assert model.evaluate(X, y, 16, 0, weight) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if case[1] != "sum"], ids=named)
def test_the_gradient_is_that_of_the_loss(case):
    """One step of gradient descent against differences of the loss itself, in a few random directions."""
    make, reduction = case
    y, weight = TRAINED[make][2], np.random.default_rng(1).uniform(0, 2, 67)
    model = model_of(make, reduction, rate=1.0)
    model.optimizer.momentum = 0.0
    before = model.get_weights()
    model.fit(X, y, 67, 1, 0, shuffle=False, sample_weight=weight)
    gradient = [a - b for a, b in zip(before, model.get_weights(), strict=True)]
    rng, loss = np.random.default_rng(2), make(reduction)
    errors = []
    for _ in range(5):
        direction = [rng.normal(size=a.shape) for a in before]

        def at(step, direction=direction):
            model.set_weights([a + step * d for a, d in zip(before, direction, strict=True)])
            return loss(y, model.predict(X), weight)

        slope = (8 * (at(1e-5) - at(-1e-5)) - (at(2e-5) - at(-2e-5))) / 12e-5
        expected = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
        errors.append(abs(slope - expected) / (abs(slope) + abs(expected) + 1e-3))
    assert sorted(errors)[2] < 1e-6, errors  # a kink may lie in the way of one or two


@pytest.mark.skipif(not core.has_openmp, reason="one thread only")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_same_bits_on_any_number_of_threads(case, dtype, monkeypatch):
    y, weight = TRAINED[case[0]][2], np.linspace(0.5, 1.5, 67)
    call, results = executor.Bound.__call__, []
    for n in (1, 2, 3):
        def forced(self, *arguments, n_threads=0, n=n, **keywords):
            return call(self, *arguments[:6], n_threads=n, **keywords)

        monkeypatch.setattr(executor.Bound, "__call__", forced)
        model = model_of(*case, dtype=dtype)
        logs = model.fit(X, y, 50, 2, 0, sample_weight=weight).history
        results.append(b"".join(w.tobytes() for w in model.get_weights()) + np.array(logs["loss"]).tobytes())
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("case", CASES[::3], ids=named)
def test_models_are_saved_with_their_loss(case, tmp_path):
    model = model_of(*case)
    y = TRAINED[case[0]][2]
    model.fit(X, y, 16, 1, 0)
    model.save(tmp_path / "m.safetensors")
    again = nn.load_model(tmp_path / "m.safetensors")
    assert again.loss.get_config() == model.loss.get_config()
    assert again.evaluate(X, y, verbose=0) == model.evaluate(X, y, verbose=0)
    assert again.fit(X, y, 16, 1, 0).history == model.fit(X, y, 16, 1, 0).history


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_weight_of_zero_is_a_row_removed(kind, dtype):
    """With "mean_with_sample_weight", within rounding: the factor B / sum(w) is rounded, and sums are cut elsewhere."""
    keep = np.random.default_rng(3).random(67) < 0.6
    for make in (losses.MeanSquaredError, losses.CategoricalHinge, lambda r: losses.CategoricalCrossentropy(True, reduction=r)):
        TRAINED[make] = (3, None, HOT)
        whole, part = model_of(make, MEAN, kind, dtype), model_of(make, MEAN, kind, dtype)
        a = whole.fit(X, HOT, 67, 5, 0, sample_weight=keep.astype(float))
        b = part.fit(X[keep], HOT[keep], 67, 5, 0, sample_weight=np.ones(keep.sum()))
        rtol = 1e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(a.history["loss"], b.history["loss"], rtol=rtol)
        for v, w in zip(whole.get_weights(), part.get_weights(), strict=True):
            np.testing.assert_allclose(v, w, rtol=rtol, atol=rtol)
    # Nobody counts: a loss of 0, and nothing is learned.
    before = whole.get_weights()
    assert whole.fit(X, HOT, 16, 1, 0, sample_weight=np.zeros(67)).history["loss"] == [0.0]
    plain = nn.Sequential([nn.Input((4,)), Dense(3)], seed=1)
    plain.compile(nn.optimizers.SGD(0.1), losses.MeanSquaredError(MEAN))
    before = plain.get_weights()
    plain.fit(X, NUMBERS, 16, 1, 0, sample_weight=np.zeros(67))
    assert all(np.array_equal(v, w) for v, w in zip(before, plain.get_weights(), strict=True))


@pytest.mark.parametrize("kind", EXECUTORS)
@pytest.mark.parametrize("reduction", ["mean", "sum", MEAN])
def test_a_class_that_is_ignored_is_rows_removed(kind, reduction):
    def make(ignore):
        model = nn.Sequential([nn.Input((4,)), Dense(3, "softmax", dtype="float64")], seed=1)
        model.executor_class = EXECUTORS[kind]
        model.compile(nn.optimizers.SGD(0.1 if reduction != "sum" else 0.005),
                      losses.SparseCategoricalCrossentropy(ignore_class=ignore, reduction=reduction), metrics=["accuracy"])
        return model

    kept = MASKED != -1
    whole, part = make(-1), make(None)
    a, b = whole.fit(X, MASKED, 67, 3, 0), part.fit(X[kept], MASKED[kept], 67, 3, 0)
    for v, w in zip(whole.get_weights(), part.get_weights(), strict=True):
        np.testing.assert_allclose(v, w, rtol=1e-12)
    np.testing.assert_allclose(a.history["loss"], b.history["loss"], rtol=1e-12)
    # As in Keras the metric is not masked: no output is the class -1.
    np.testing.assert_allclose(a.history["accuracy"], np.array(b.history["accuracy"]) * kept.mean(), rtol=1e-6)
    with pytest.raises(ValueError, match=r"fit: y\[3\] is 5, but class ids must lie in 0 ... 2"):
        whole.fit(X, np.where(np.arange(67) == 3, 5, MASKED))


@pytest.mark.parametrize("ignored", [-1, 3, -(2**40), 2**40, 2**32 + 1])
def test_an_ignored_class_is_no_place_in_memory(ignored):
    model = nn.Sequential([nn.Input((4,)), Dense(3)], seed=1)
    model.compile("sgd", losses.SparseCategoricalCrossentropy(True, ignored), metrics=["accuracy"])
    ids = np.where(MASKED < 0, ignored, MASKED)
    found = model.evaluate(X, ids, 67, verbose=0)
    right = model.predict(X).argmax(axis=1) == ids
    assert found == [pytest.approx(model.loss(ids, model.predict(X)), rel=1e-6), pytest.approx(right.mean(), rel=1e-6)]


def test_metrics_that_compare_other_shapes_are_refused():
    model = nn.Sequential([nn.Input((4,)), Dense(6)])
    model.compile("sgd", losses.QuantileLoss([0.2, 0.8]), metrics=["mae"])
    with pytest.raises(ValueError, match="metric 'mae': there are 6 outputs, but targets of 3"):
        model.fit(X, NUMBERS, verbose=0)
    model.compile("sgd", losses.QuantileLoss([0.2, 0.8]), metrics=[lambda y_true, y_pred: y_true[:, 0]])
    model.fit(X, NUMBERS, verbose=0)


def test_the_standard_path_has_no_op_more():
    def ops(loss, weighted, ids=True):
        model = nn.Sequential([nn.Input((4,)), Dense(3)])
        model.compile("sgd", loss)
        model.fit(X, KINDS if ids else NUMBERS, 67, 1, 0, sample_weight=np.ones(67) if weighted else None)
        (plans,) = model._plans.values()
        return [op.kernel for op in plans[0].executor.program.ops]

    sparse = losses.SparseCategoricalCrossentropy
    for weighted in (False, True):
        assert "loss_weights" not in ops(sparse(True), weighted)
        assert "loss_weights" not in ops(losses.MeanSquaredError("mean"), weighted, False)
        assert ("loss_weights" in ops(losses.MeanSquaredError(MEAN), weighted, False)) == weighted
        assert "loss_weights" in ops(sparse(True, 0), weighted)


def test_outputs_that_a_loss_is_not_defined_for_end_training():
    model = nn.Sequential([nn.Input((4,)), Dense(2)], seed=1)
    model.compile("sgd", losses.GaussianNLLLoss())
    with pytest.raises(nn.training.NonFiniteError):
        model.fit(X, NUMBERS[:, 0], verbose=0)


@pytest.mark.parametrize(("loss", "outputs", "y", "message"), [
    (losses.QuantileLoss([0.1, 0.9]), 3, NUMBERS, "fit: QuantileLoss wants 2 outputs for each target, one per quantile"),
    (losses.QuantileLoss([0.1, 0.9]), 6, NUMBERS[:, :2], r"fit: y must have shape \(B, 3\) to match"),
    (losses.GaussianNLLLoss(), 6, NUMBERS[:, :2], r"fit: y must have shape \(B, 3\)"),
    (losses.MeanSquaredError(dtype="float64"), 3, NUMBERS, "MeanSquaredError: dtype is float64, but the model computes in"),
    (losses.CosineSimilarity(axis=0), 3, NUMBERS, "a model's outputs are along axis -1, got axis=0"),
    (losses.MeanSquaredError(None), 3, NUMBERS, "training needs a reduction, got reduction=None"),
    (losses.Hinge(), 3, NUMBERS, r"fit: y holds .* but targets of Hinge are -1 and 1"),
])
def test_models_refuse(loss, outputs, y, message):
    model = nn.Sequential([nn.Input((4,)), Dense(outputs)])
    with pytest.raises(ValueError, match=message):
        model.compile("sgd", loss)
        model.fit(X, y, verbose=0)


# What losses are for ----------------------------------------------------------------------------------------


def test_a_perceptron_learns_from_weights_of_zero():
    y = (X @ [1.0, -2.0, 0.5, 0.0] > 0.1).astype(float)
    model = nn.Sequential([nn.Input((4,)), Dense(1, kernel_initializer="zeros")], seed=1)
    model.compile(nn.optimizers.SGD(1.0), losses.PerceptronLoss())
    model.fit(X, y, 1, 200, 0)
    assert ((model.predict(X)[:, 0] > 0) == y).all()


def test_quantiles_cover_what_they_should():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (4000, 1))
    y = 2 * x[:, 0] + (1 + 0.8 * x[:, 0]) * rng.normal(size=4000)
    model = nn.Sequential([nn.Input((1,)), Dense(3)], seed=1)
    model.compile(nn.optimizers.Adam(0.02), losses.QuantileLoss([0.1, 0.5, 0.9]))
    model.fit(x, y, 100, 20, 0)
    below = (y[:, None] <= model.predict(x)).mean(axis=0)
    np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.02)


def test_a_gaussian_likelihood_finds_the_spread():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (4000, 1))
    y = 2 * x[:, 0] + np.exp(x[:, 0] / 2) * rng.normal(size=4000)  # variance exp(x)
    inputs = nn.Input((1,))
    model = nn.Model(inputs, nn.layers.Concatenate()([Dense(1)(inputs), Dense(1, "exponential")(inputs)])) if hasattr(
        nn.layers, "Concatenate") else None
    if model is None:
        pytest.skip("no layer joins outputs yet")
    model.compile(nn.optimizers.Adam(0.02), losses.GaussianNLLLoss())
    model.fit(x, y, 100, 20, 0)
    mean, variance = model.predict(x).T
    np.testing.assert_allclose(mean, 2 * x[:, 0], atol=0.15)
    np.testing.assert_allclose(variance, np.exp(x[:, 0]), rtol=0.2)


def test_one_against_all_and_softmax_on_digits():
    """Ten independent sigmoids, each its own class against all others, and one softmax over the ten."""
    x, y = load_digits()
    x, y = (x / 16).astype("f4"), y.astype(int)
    accuracies = {}
    for name, activation, loss, target in (
        ("one against all", "sigmoid", "binary_crossentropy", np.eye(10)[y]),
        ("softmax", "softmax", "sparse_categorical_crossentropy", y),
        ("hinge", None, "hinge", 2 * np.eye(10)[y] - 1),
    ):
        model = nn.Sequential([nn.Input((x.shape[1],)), Dense(10, activation)], seed=1)
        model.compile(nn.optimizers.Adam(0.02), loss)
        model.fit(x[:1400], target[:1400], 32, 20, 0)
        accuracies[name] = (model.predict(x[1400:]).argmax(axis=1) == y[1400:]).mean()
    assert min(accuracies.values()) > 0.85, accuracies
    assert accuracies["softmax"] >= accuracies["one against all"] - 0.01, accuracies


# Functions of the user's ------------------------------------------------------------------------------------


def squares(y_true, y_pred):
    return ((y_pred - y_true) ** 2).mean(axis=1)


def slopes(y_true, y_pred):
    return 2 * (y_pred - y_true) / y_pred.shape[1]


@pytest.mark.parametrize("reduction", ["mean", "sum", MEAN])
@pytest.mark.parametrize("kind", EXECUTORS)
def test_two_functions_are_a_loss(kind, reduction, tmp_path):
    weight = np.linspace(0, 2, 67)
    logs = []
    own = losses.LossFunctionWrapper(squares, reduction, gradient=slopes)
    for loss in (own, losses.MeanSquaredError(reduction)):
        model = nn.Sequential([nn.Input((4,)), Dense(3, dtype="float64")], seed=1)
        model.executor_class = EXECUTORS[kind]
        model.compile(nn.optimizers.SGD(0.005), loss)
        logs.append(model.fit(X, NUMBERS, 16, 3, 0, sample_weight=weight).history["loss"])
        if loss is own:
            model.save(tmp_path / "m.safetensors")
            again = nn.load_model(tmp_path / "m.safetensors")
            assert again.evaluate(X, NUMBERS, verbose=0) == model.evaluate(X, NUMBERS, verbose=0)
    np.testing.assert_allclose(logs[0], logs[1], rtol=1e-9)


def test_functions_in_compile():
    model = nn.Sequential([nn.Input((4,)), Dense(3)], seed=1)
    model.compile("sgd", loss=(squares, slopes))
    model.fit(X, NUMBERS, verbose=0)
    model.compile("sgd", loss=squares)
    assert model.evaluate(X, NUMBERS, verbose=0) == pytest.approx(
        losses.MeanSquaredError()(NUMBERS, model.predict(X)), rel=1e-5)
    with pytest.raises(NotImplementedError, match=r"fit: loss squares is a function without its gradient.*loss=\(value, "):
        model.fit(X, NUMBERS, verbose=0)
    model.compile("sgd", loss=(lambda t, p: squares(t, p), lambda t, p: slopes(t, p)[:, :1]))
    with pytest.raises(ValueError, match=r"loss <lambda> must return a gradient of shape"):
        model.fit(X, NUMBERS, verbose=0)
    with pytest.raises(ValueError, match="a loss that is a lambda cannot be saved"):
        losses.serialize(model.loss)
    with pytest.raises(ValueError, match="no loss function 'unheard_of' is known"):
        losses.get({"class_name": "LossFunctionWrapper", "config": {"fn": "unheard_of"}})
    with pytest.raises(TypeError, match="gradient must be a function, got 3"):
        losses.LossFunctionWrapper(squares, gradient=3)
    assert repr(losses.get(squares)) == "LossFunctionWrapper(squares, gradient=None)"
