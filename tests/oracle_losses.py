"""The exact oracle of the losses beyond cross-entropy and the squared error: docs/bits.md, one rounding at a time."""

import numpy as np
from oracle import _clip, _finish, _select, _shifted, _smooth, _weights, fma, lanes_sum

EPSILON = 1e-7


def _means(y, terms, slopes, sample_weight, share):
    """What all elementwise losses share: the sums of the terms, the weights."""
    one = y.dtype.type
    weight, g = _weights(len(y), sample_weight, one)
    return _finish(lanes_sum(terms)[:, 0] * share, weight, slopes * (g * share))


def _share(y, of=1):
    return y.dtype.type(of) / y.dtype.type(y.shape[1])


def _at_least(x, low):
    return _select(x < low, x.dtype.type(low), x)


def _sign(d):
    """1, -1, or d itself: a zero or nan."""
    one = d.dtype.type
    return _select(d < 0, one(-1), _select(d > 0, one(1), d))


def mean_absolute_error(elementary, y_pred, target, sample_weight=None):
    d = y_pred - target.astype(y_pred.dtype)
    return _means(y_pred, np.abs(d), _sign(d), sample_weight, _share(y_pred))


def mean_absolute_percentage_error(elementary, y_pred, target, sample_weight=None):
    t = target.astype(y_pred.dtype)
    d, a = y_pred - t, _at_least(np.abs(t), EPSILON)
    return _means(y_pred, np.abs(d / a), _sign(d) / a, sample_weight, _share(y_pred, 100))


def mean_squared_logarithmic_error(elementary, y_pred, target, sample_weight=None):
    one = y_pred.dtype.type
    p = _at_least(y_pred, EPSILON)
    d = elementary.log1p(p) - elementary.log1p(_at_least(target.astype(y_pred.dtype), EPSILON))
    slopes = _select(y_pred < one(EPSILON), one(0), (d + d) / (p + one(1)))
    return _means(y_pred, d * d, slopes, sample_weight, _share(y_pred))


def huber(elementary, y_pred, target, sample_weight=None, delta=1.0):
    one = y_pred.dtype.type
    d = y_pred - target.astype(y_pred.dtype)
    line = fma(one(delta), np.abs(d), -one(0.5 * delta * delta))
    terms = _select(np.abs(d) > one(delta), line, one(0.5) * (d * d))
    slopes = _select(d < -one(delta), -one(delta), _select(d > one(delta), one(delta), d))
    return _means(y_pred, terms, slopes, sample_weight, _share(y_pred))


def log_cosh(elementary, y_pred, target, sample_weight=None):
    one = y_pred.dtype.type
    d = y_pred - target.astype(y_pred.dtype)
    a, y = np.abs(d), elementary.tanh(d)
    q = elementary.log1p(_select(a < 1, -y * y, elementary.exp(a * one(-2))))
    terms = _select(a < 1, one(-0.5) * q, (a - one(np.log(2))) + q)
    return _means(y_pred, terms, y, sample_weight, _share(y_pred))


def pinball(elementary, y_pred, target, quantiles, sample_weight=None):
    one = y_pred.dtype.type
    t = np.repeat(target.astype(y_pred.dtype), len(quantiles), axis=1)
    q = np.tile(quantiles.astype(y_pred.dtype), (1, target.shape[1]))
    d = t - y_pred
    terms = _select(d >= 0, q * d, (q - one(1)) * d)
    slopes = _select(d < 0, one(1) - q, _select(d > 0, -q, d))
    return _means(y_pred, terms, slopes, sample_weight, _share(y_pred))


def poisson(elementary, y_pred, target, sample_weight=None):
    one = y_pred.dtype.type
    t, rate = target.astype(y_pred.dtype), y_pred + one(EPSILON)
    return _means(y_pred, fma(-t, elementary.log(rate), y_pred), one(1) - t / rate, sample_weight, _share(y_pred))


@np.errstate(all="ignore")
def poisson_deviance(elementary, y_pred, target, sample_weight=None):
    one, t = y_pred.dtype.type, target.astype(y_pred.dtype)
    p = _select(y_pred < 0, one(np.nan), y_pred)
    q, d = t / p, p - t
    terms = _select(t == 0, d, fma(t, elementary.log(q), d))
    return _means(y_pred, terms, one(1) - q, sample_weight, _share(y_pred))


@np.errstate(all="ignore")
def exponential_poisson_deviance(elementary, logits, target, sample_weight=None):
    t = target.astype(logits.dtype)
    d = elementary.exp(logits) - t
    terms = _select(t == 0, d, fma(t, elementary.log(t) - logits, d))
    return _means(logits, terms, d, sample_weight, _share(logits))


def _sides(y_pred, target):
    t = target.astype(y_pred.dtype)
    return _select(t == 0, y_pred.dtype.type(-1), t)


def _margin(y_pred, a, t, sample_weight):
    zero = y_pred.dtype.type(0)
    slopes = _select(a < 0, zero, _select(a >= 0, -t, a))
    return _means(y_pred, _select(a <= 0, zero, a), slopes, sample_weight, _share(y_pred))


def hinge(elementary, y_pred, target, sample_weight=None):
    t = _sides(y_pred, target)
    return _margin(y_pred, fma(-t, y_pred, y_pred.dtype.type(1)), t, sample_weight)


def perceptron(elementary, y_pred, target, sample_weight=None):
    t = _sides(y_pred, target)
    return _margin(y_pred, -t * y_pred, t, sample_weight)


def squared_hinge(elementary, y_pred, target, sample_weight=None):
    one = y_pred.dtype.type
    t = _sides(y_pred, target)
    a = fma(-t, y_pred, one(1))
    a = _select(a <= 0, one(0), a)
    return _means(y_pred, a * a, -t * (a + a), sample_weight, _share(y_pred))


def kl_divergence(elementary, y_pred, target, sample_weight=None):
    one = y_pred.dtype.type
    t, q = (_at_least(v.astype(y_pred.dtype), EPSILON) for v in (target, y_pred))
    t, q = _select(t > 1, one(1), t), _select(q > 1, one(1), q)
    ratio = t / q
    slopes = _select(np.isnan(q), q, _select(q == y_pred, -ratio, one(0)))
    return _means(y_pred, t * elementary.log(ratio), slopes, sample_weight, one(1))


# Focal cross-entropies --------------------------------------------------------------------------------------


def _power(elementary, x, gamma):
    gamma = x.dtype.type(gamma)
    if gamma == 0:
        return np.ones_like(x)
    if gamma == 1:
        return x
    return x * x if gamma == 2 else elementary.exp(gamma * elementary.log(x))


@np.errstate(all="ignore")
def _rise(x, power, gamma):
    """gamma x^(gamma - 1), from the power."""
    return _select(x == 0, x.dtype.type(0), x.dtype.type(gamma) * (power / x))


def _focus(elementary, t, terms, slopes, f, df, apply_class_balancing, alpha, gamma):
    one = t.dtype.type
    u = fma(t, one(2 * alpha - 1), one(1 - alpha)) if apply_class_balancing else np.ones_like(t)
    power = _power(elementary, f, gamma)
    slopes = u * fma(_rise(f, power, gamma) * df, terms, power * slopes)
    return u * (power * terms), slopes


def binary_focal_cross_entropy(elementary, y_pred, target, sample_weight=None, apply_class_balancing=False,
                               alpha=0.25, gamma=2.0, label_smoothing=0.0):
    one = y_pred.dtype.type
    t = _smooth(target.astype(y_pred.dtype), label_smoothing, 2)
    q, inside = _clip(y_pred)
    terms = fma(-t, elementary.log(q), -((one(1) - t) * elementary.log1p(-q)))
    slopes = _select(inside, (q - t) / (q * (one(1) - q)), one(0))
    f = fma(t, one(1) - y_pred, (one(1) - t) * y_pred)
    df = fma(one(-2), t, one(1))
    terms, slopes = _focus(elementary, t, terms, slopes, f, df, apply_class_balancing, alpha, gamma)
    return _means(y_pred, terms, slopes, sample_weight, _share(y_pred))


def sigmoid_focal_cross_entropy(elementary, logits, target, sample_weight=None, apply_class_balancing=False,
                                alpha=0.25, gamma=2.0, label_smoothing=0.0):
    one, z = logits.dtype.type, logits
    t = _smooth(target.astype(logits.dtype), label_smoothing, 2)
    e = elementary.exp(-np.abs(z))
    near = one(1) / (one(1) + e)
    far = e * near
    up, down = _select(z > 0, near, far), _select(z > 0, far, near)
    rest = one(1) - t
    f = fma(t, down, rest * up)
    df = fma(one(-2), t, one(1)) * (up * down)
    slopes = fma(up, rest, -(t * down))
    terms = fma(-z, t, _select(z <= 0, one(0), z)) + elementary.log1p(e)
    terms, slopes = _focus(elementary, t, terms, slopes, f, df, apply_class_balancing, alpha, gamma)
    return _means(logits, terms, slopes, sample_weight, _share(logits))


def _weighed(y, target, class_weight, alpha, label_smoothing):
    t = _smooth(target.astype(y.dtype), label_smoothing, y.shape[1]) * y.dtype.type(alpha)
    return t if class_weight is None else t * class_weight.astype(y.dtype)


def softmax_focal_cross_entropy(elementary, logits, target, sample_weight=None, class_weight=None, alpha=0.25,
                                gamma=2.0, label_smoothing=0.0):
    one = logits.dtype.type
    t = _weighed(logits, target, class_weight, alpha, label_smoothing)
    weight, g = _weights(len(t), sample_weight, one)
    d = _shifted(logits)
    e = elementary.exp(d)
    s = lanes_sum(e)
    q, log_q = e * (one(1) / s), d - elementary.log(s)
    rest = one(1) - q
    power = _power(elementary, rest, gamma)
    h = _select(t == 0, one(0), t * fma(q * _rise(rest, power, gamma), log_q, -power))
    terms = _select(t == 0, one(0), -t * (power * log_q))
    return _finish(lanes_sum(terms)[:, 0], weight, (h - q * lanes_sum(h)) * g)


def categorical_focal_cross_entropy(elementary, y_pred, target, sample_weight=None, class_weight=None, alpha=0.25,
                                    gamma=2.0, label_smoothing=0.0):
    one = y_pred.dtype.type
    t = _weighed(y_pred, target, class_weight, alpha, label_smoothing)
    weight, g = _weights(len(t), sample_weight, one)
    inverse = one(1) / lanes_sum(y_pred)
    u = y_pred * inverse
    q, inside = _clip(u)
    log_q, rest = elementary.log(q), one(1) - q
    power = _power(elementary, rest, gamma)
    v = t * fma(one(gamma) * (power / rest), log_q, -(power / q))
    v = _select(np.isnan(q), q, _select(inside & (t != 0), v, one(0)))
    terms = _select(t == 0, one(0), -t * (power * log_q))
    return _finish(lanes_sum(terms)[:, 0], weight, (v - lanes_sum(v * u)) * inverse * g)


# Losses of whole rows ---------------------------------------------------------------------------------------


def gaussian_nll(elementary, y_pred, target, sample_weight=None, full=False, eps=1e-6):
    one, outputs = y_pred.dtype.type, y_pred.shape[1] // 2
    t = target.astype(y_pred.dtype)
    weight, g = _weights(len(t), sample_weight, one)
    mean, v = y_pred[:, :outputs], y_pred[:, outputs:]
    v = _select(v < 0, one(np.nan), _at_least(v, one(eps)))
    d = mean - t
    q = d / v
    constant = one(0.918938533204672741780329736406) if full else one(0)
    terms = fma(one(0.5), fma(d, q, elementary.log(v)), np.full_like(d, constant))
    slopes = np.concatenate([q, one(0.5) * (one(1) / v - q * q)], axis=1)
    share = one(1) / one(outputs)
    return _finish(lanes_sum(terms)[:, 0] * share, weight, slopes * (g * share))


def categorical_hinge(elementary, y_pred, target, sample_weight=None):
    one = y_pred.dtype.type
    t = target.astype(y_pred.dtype)
    weight, g = _weights(len(t), sample_weight, one)
    other = (one(1) - t) * y_pred
    right = lanes_sum(_select(np.isnan(other), other, t * y_pred))  # nan then, whatever the largest one is
    a = (other.max(axis=1, keepdims=True) - right) + one(1)
    hits = other == other.max(axis=1, keepdims=True)
    each = _select(hits, one(1) / hits.sum(axis=1, keepdims=True).astype(y_pred.dtype), one(0))
    active = _select(a < 0, one(0), _select(a >= 0, one(1), a))
    return _finish(_select(a <= 0, one(0), a)[:, 0], weight, fma(each, one(1) - t, -t) * (g * active))


def cosine_similarity(elementary, y_pred, target, sample_weight=None):
    one = y_pred.dtype.type
    t = target.astype(y_pred.dtype)
    weight, g = _weights(len(t), sample_weight, one)

    def inverse_norm(x):
        return one(1) / _at_least(np.sqrt(lanes_sum(x * x)), EPSILON)

    a = inverse_norm(y_pred)
    both = a * inverse_norm(t)
    values = -both * lanes_sum(y_pred * t)
    own = _select(a == one(1) / one(EPSILON), one(0), (-values * a) * a)
    return _finish(values[:, 0], weight, (y_pred * own + t * -both) * g)
