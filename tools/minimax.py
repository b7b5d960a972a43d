"""Make every polynomial coefficient of ``src/vmath_f32.h``, ``src/vmath_f64.h`` and ``src/normal.h``.

Run ``python tools/minimax.py`` (all tables) or ``python tools/minimax.py EXP_F32 ...`` and paste the C
arrays; the comment above each array says what it approximates and the largest error of the *rounded*
coefficients.

A polynomial is found by the Remez exchange on a dense grid of Chebyshev points. Its coefficients are rounded
to the target precision one at a time, highest power first, and the lower ones are fitted again round them.
(Lowest first does not work on an interval round 0: the powers from x^k up are no Chebyshev system there.)
Plain rounding of the optimum is kept where it happens to be better.

Rejected: a quotient N(a)/D(a) for the Mills ratio. It has the same number of coefficients, but both halves
grow so fast that their rounding errors add up to 3 ULP.

Only mpmath is needed.
"""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp

mp.mp.dps = 60


def round_to(value, bits):
    """Round to nearest, ties to even, keeping `bits` significant bits.

    Parameters
    ----------
    value : mpf
        Number to round.
    bits : int
        24 for float32, 53 for float64.

    Returns
    -------
    mpf
        The rounded number, exact.
    """
    with mp.workprec(bits):
        return +value


def grid(lo, hi, size):
    """Chebyshev points of [lo, hi].

    Parameters
    ----------
    lo, hi : mpf
        Ends of the interval.
    size : int
        Number of points.

    Returns
    -------
    list of mpf
        Ascending points.
    """
    mid, half = (lo + hi) / 2, (hi - lo) / 2
    return [mid - half * mp.cos(mp.pi * (2 * i + 1) / (2 * size)) for i in range(size)]


def extrema(error, count):
    """Indices of `count` alternating local extrema of a sampled error curve.

    Parameters
    ----------
    error : list of mpf
        Signed weighted error on the grid.
    count : int
        Number of alternation points wanted.

    Returns
    -------
    list of int or None
        None where the curve alternates less often than wanted.
    """
    best = []
    for i, e in enumerate(error):
        if e == 0:
            continue
        if best and (error[best[-1]] > 0) == (e > 0):
            if abs(e) > abs(error[best[-1]]):
                best[-1] = i
        else:
            best.append(i)
    while len(best) > count:  # drop the weaker end: keeps the signs alternating
        best.pop(0 if abs(error[best[0]]) < abs(error[best[-1]]) else -1)
    return best if len(best) == count else None


def remez(points, target, weight, size):
    """Minimax coefficients of ``sum c[k] x**k``, k < size, on a grid.

    Parameters
    ----------
    points, target, weight : list of mpf
        Grid, values to approximate and error weights (not negative).
    size : int
        Number of coefficients.

    Returns
    -------
    list of mpf
        Coefficients, lowest power first.
    """
    n = size
    ref = [round(j * (len(points) - 1) / n) for j in range(n + 1)]
    coef = None
    for _ in range(40):
        a = mp.matrix(n + 1, n + 1)
        b = mp.matrix(n + 1, 1)
        for row, i in enumerate(ref):
            for k in range(n):
                a[row, k] = weight[i] * points[i] ** k
            a[row, n] = (-1) ** row
            b[row] = weight[i] * target[i]
        sol = mp.lu_solve(a, b)
        coef = [sol[k] for k in range(n)]
        err = [w * (t - mp.polyval(coef[::-1], x))
               for x, t, w in zip(points, target, weight, strict=True)]
        new = extrema(err, n + 1)
        top = max(abs(e) for e in err)
        if new is None or top <= abs(sol[n]) * mp.mpf("1.0001"):
            break
        ref = new
    return coef


def fit_polynomial(spec):
    """Fit `spec` and round its coefficients one at a time.

    Parameters
    ----------
    spec : Poly
        What to approximate.

    Returns
    -------
    coef : list of mpf
        Rounded coefficients, lowest power first; with `spec.split` one more, the low part of the first.
    err : mpf
        Largest weighted error of the rounded polynomial on the grid.
    """
    lo, hi = mp.mpf(spec.lo), mp.mpf(spec.hi)
    points = grid(lo, hi, 24 * (spec.degree + 2))
    target = [spec.target(x) for x in points]
    weight = [abs(spec.weight(x)) for x in points]  # a sign change would spoil the alternation
    best = remez(points, target, weight, spec.degree + 1)
    stepwise, rest = [], target
    for size in range(spec.degree + 1, 0, -1):
        top = round_to((best if size > spec.degree else remez(points, rest, weight, size))[-1], spec.bits)
        stepwise.insert(0, top)
        rest = [t - top * x ** (size - 1) for t, x in zip(rest, points, strict=True)]
    plain = [round_to(c, spec.bits) for c in best]

    def error(coef):
        return max(abs(w * (t - mp.polyval(coef[::-1], x)))
                   for x, t, w in zip(points, target, weight, strict=True))

    err, coef = min((error(stepwise), stepwise), (error(plain), plain))
    if spec.split:
        # the best constant beside the other coefficients, in two parts
        rest = [t - x * mp.polyval(coef[:0:-1], x) for t, x in zip(target, points, strict=True)]
        first = remez(points, rest, weight, 1)[0]
        coef[0] = round_to(first, spec.bits)
        coef.append(round_to(first - coef[0], spec.bits))
        err = error([coef[0] + coef[-1], *coef[1:-1]])
    return coef, err


@dataclass
class Poly:
    """A polynomial to fit: `target` on [lo, hi] with error weight `weight`.

    With `split` the constant term comes in two parts, the low one after the last coefficient.
    """

    note: str
    target: Callable
    weight: Callable
    lo: object
    hi: object
    degree: int
    bits: int
    split: bool = False


def expm1_tail(r):
    """(e^r - 1 - r) / r^2."""
    return (mp.expm1(r) - r) / r**2 if r else mp.mpf(0.5)


def log1p_tail(f):
    """(log(1 + f) - f) / f^2."""
    return (mp.log1p(f) - f) / f**2 if f else mp.mpf(-0.5)


def atanh_tail(z):
    """(2 atanh(s)/s - 2)/s^2 as a function of z = s^2."""
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) / s - 2) / z


def mills(a):
    """Phi(-a) / exp(-a^2/2): half the scaled complementary error function at a/sqrt(2)."""
    return mp.ncdf(-a) * mp.exp(a * a / 2)


def mills_poly(k, top, degree, bits):
    """Phi(-a) e^(a^2/2) (1 + k a) as a polynomial in (a - 2)/(1 + k a).

    Parameters
    ----------
    k : mpf
        Where the pole of the variable lies. A smaller k (down to about 0.2) needs a lower degree, a larger
        one makes the terms smaller, and so their rounding errors. The centre 2 is chosen for that too: with 1
        the terms in the far tail are 7 times the value, but from 2.25 on g(0) exceeds 2 g(2), and then the
        rounding error of the last step can no longer be had exactly.
    top : str
        Largest a.
    degree, bits : int
        As in `Poly`.

    Returns
    -------
    Poly
        The specification.
    """
    def to_a(y):
        return (2 + y) / (1 - k * y)

    def target(y):
        return mills(to_a(y)) * (1 + k * to_a(y))

    top = mp.mpf(top)
    return Poly(
        f"Phi(-a) e^(a^2/2) = g(y)/d, d = 1 + {mp.nstr(k, 6)} a, y = (a - 2)/d, 0 <= a <= {mp.nstr(top, 4)};\n"
        "   the last entry is the low part of the first; relative error",
        target,
        lambda y: 1 / target(y),
        -2,
        (top - 2) / (1 + k * top),
        degree,
        bits,
        split=True,
    )


def erf_even(t):
    """erf(x)/x - 1 as a function of t = x^2."""
    x = mp.sqrt(t)
    return mp.erf(x) / x - 1 if t else 2 / mp.sqrt(mp.pi) - 1


def sin_even(t):
    """(sin(x)/x - 1)/x^2 as a function of t = x^2."""
    x = mp.sqrt(t)
    return (mp.sin(x) / x - 1) / t if t else -mp.mpf(1) / 6


def cos_even(t):
    """(cos(x) - 1)/x^2 as a function of t = x^2."""
    return (mp.cos(mp.sqrt(t)) - 1) / t if t else mp.mpf(-0.5)


def tanh_shrink_even(t):
    """(x - tanh(x)) / x^3 as a function of t = x^2."""
    x = mp.sqrt(t)
    return (x - mp.tanh(x)) / x**3 if t > mp.mpf("1e-12") else mp.mpf(1) / 3 - 2 * t / 15


LN2_2 = mp.log(2) / 2 * mp.mpf("1.0002")  # a little more than half of log 2: rint is of a rounded product

TABLES = {
    "EXP_F32": Poly("e^r = 1 + r + r^2 q(r), |r| <= log(2)/2; error relative to e^r - 1",
                    expm1_tail, lambda r: r**2 / mp.expm1(r), -LN2_2, LN2_2, 4, 24),
    "EXP_F64": Poly("e^r = 1 + r + r^2 q(r), |r| <= log(2)/2; error relative to e^r - 1",
                    expm1_tail, lambda r: r**2 / mp.expm1(r), -LN2_2, LN2_2, 10, 53),
    "TANH_F32": Poly("(e^2r - 1)/2 = r + r^2 q(r), |r| <= log(2)/4; error relative to the left side",
                     lambda r: 2 * expm1_tail(2 * r), lambda r: 2 * r**2 / mp.expm1(2 * r),
                     -LN2_2 / 2, LN2_2 / 2, 4, 24),
    "TANH_F64": Poly("(e^2r - 1)/2 = r + r^2 q(r), |r| <= log(2)/4; error relative to the left side",
                     lambda r: 2 * expm1_tail(2 * r), lambda r: 2 * r**2 / mp.expm1(2 * r),
                     -LN2_2 / 2, LN2_2 / 2, 10, 53),
    "LOG_F32": Poly("log(1+f) = f + f^2 q(f), sqrt(1/2) <= 1+f <= sqrt(2); relative error",
                    log1p_tail, lambda f: f**2 / mp.log1p(f), mp.sqrt(0.5) - 1, mp.sqrt(2) - 1, 8, 24),
    "LOG_F64": Poly("log(1+f) = f - f^2/2 + s (f^2/2 + z p(z)), s = f/(2 + f), z = s^2,\n"
                    "   sqrt(1/2) <= 1+f <= sqrt(2); relative error",
                    atanh_tail, lambda z: z / 2, 0, (3 - 2 * mp.sqrt(2)) ** 2, 6, 53),
    "ERF_LOW_F32": Poly("erf(x) = x + x p(x^2), |x| <= 0.95; relative error",
                        erf_even, lambda t: 1 / (1 + erf_even(t)), 0, mp.mpf("0.95") ** 2, 6, 24),
    "ERF_HIGH_F32": Poly("erfc(a) = e^p(a), 0.95 <= a <= 3.95; error relative to erf(a)",
                         lambda a: mp.log(mp.erfc(a)), lambda a: mp.erfc(a) / mp.erf(a),
                         mp.mpf("0.95"), mp.mpf("3.95"), 7, 24),
    "ERF_LOW_F64": Poly("erf(x) = x + x p(x^2), |x| <= 1; relative error",
                        erf_even, lambda t: 1 / (1 + erf_even(t)), 0, 1, 12, 53),
    "ERF_HIGH_F64": Poly("erfc(a) = e^p(a), 1 <= a <= 5.95; error relative to erf(a)",
                         lambda a: mp.log(mp.erfc(a)), lambda a: mp.erfc(a) / mp.erf(a),
                         1, mp.mpf("5.95"), 20, 53),
    "SIN_F32": Poly("sin(x) = x + x^3 p(x^2), |x| <= pi/4; relative error",
                    sin_even, lambda t: t / (1 + t * sin_even(t)), 0, (mp.pi / 4) ** 2, 2, 24),
    "COS_F32": Poly("cos(x) = 1 + x^2 p(x^2), |x| <= pi/4; relative error",
                    cos_even, lambda t: t / (1 + t * cos_even(t)), 0, (mp.pi / 4) ** 2, 2, 24),
    "SIN_F64": Poly("sin(x) = x + x^3 p(x^2), |x| <= pi/4; relative error",
                    sin_even, lambda t: t / (1 + t * sin_even(t)), 0, (mp.pi / 4) ** 2, 5, 53),
    "COS_F64": Poly("cos(x) = 1 + x^2 p(x^2), |x| <= pi/4; relative error",
                    cos_even, lambda t: t / (1 + t * cos_even(t)), 0, (mp.pi / 4) ** 2, 6, 53),
    "TANH_SHRINK_F32": Poly("x - tanh(x) = x^3 p(x^2), |x| <= 1; the last entry is the low part of the first;\n"
                            "   relative error", tanh_shrink_even, lambda t: 1 / tanh_shrink_even(t), 0, 1, 8, 24,
                            split=True),
    "TANH_SHRINK_F64": Poly("x - tanh(x) = x^3 p(x^2), |x| <= 1; the last entry is the low part of the first;\n"
                            "   relative error", tanh_shrink_even, lambda t: 1 / tanh_shrink_even(t), 0, 1, 18, 53,
                            split=True),
    "MILLS_F32": mills_poly(mp.mpf(3) / 8, "14.7", 10, 24),
    "MILLS_F64": mills_poly(mp.mpf(19) / 64, "38.8", 23, 53),
}


def show(name, coef, bits):
    """Print one C array.

    Parameters
    ----------
    name : str
        Table name.
    coef : list of mpf
        Coefficients, lowest power first.
    bits : int
        24 prints ``float``, 53 prints ``double``.
    """
    ctype, suffix = ("float", "f") if bits == 24 else ("double", "")
    print(f"static const {ctype} NN_{name}[{len(coef)}] = {{")
    per_line = 4 if bits == 24 else 3
    text = [re.sub(r"0+p", "p", float(c).hex()).replace(".p", "p") + suffix for c in coef]
    for i in range(0, len(text), per_line):
        print("    " + ", ".join(text[i:i + per_line]) + ",")
    print("};")


def main():
    """Fit the tables named on the command line, or all, and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}")
    for name in parser.parse_args().tables or TABLES:
        spec = TABLES[name]
        coef, err = fit_polynomial(spec)
        print(f"/* {spec.note}: 2^{float(mp.log(err, 2)):.1f} */")
        show(name, coef, spec.bits)


if __name__ == "__main__":
    main()
