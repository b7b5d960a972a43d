# Updates, elementwise over parameters, in blocks that stay in the first-level cache.
#
# A. What all elements of a step share is prepared once (`prepare_update`); `update_block` then serves a whole
#    array, a thread's share of one, or a tile that has just been computed. A new kind is a branch in each.
# B. State below the smallest normal number becomes +0: the momentum of a dead unit would stay subnormal, and
#    slow, for ever.
# C. Powers of the betas are running products, kept in float64 as state: pow of the C library gives other bits
#    elsewhere.
# D. Lamb needs norms between its moments and its step. It computes its direction twice: that costs less than
#    an array to keep it in.

from libc.math cimport NAN, fabs, fabsf, isfinite, isnan, sqrt, sqrtf

cdef struct Op

cdef double SMALLEST_NORMAL_F32 = 1.1754943508222875e-38
cdef double SMALLEST_NORMAL_F64 = 2.2250738585072014e-308
cdef double NADAM_DECAY = 0.96  # of the part of beta_1 that Nadam starts without (Dozat 2016)

cdef enum UpdateKind:
    NOTHING
    SGD_PLAIN
    SGD_MOMENTUM
    SGD_NESTEROV
    ADAM
    ADAM_AMSGRAD
    NADAM
    ADAMAX
    RMSPROP
    RMSPROP_CENTERED
    ADAGRAD
    ADADELTA
    LION
    FTRL

cdef enum:
    NORM_BLOCK = 4096  # elements whose squares are summed together: a part of docs/bits.md

cdef struct Update:
    int kind
    double l1, twice_l2  # of the penalty whose gradient comes first
    double scale    # of the gradient
    double clip     # its largest size, or infinity
    double penalty  # l2
    double decay    # learning rate times weight decay
    double rate     # the learning rate, with Adam's and Adamax's corrections of bias
    double momentum
    double share_1, share_2  # 1 - beta, 1 - rho
    double epsilon
    double mean_part, slope_part  # of Nadam and Lamb: what m is multiplied by, and the gradient
    double correction  # what v is multiplied by
    double power, inverse_rate, limit, quadratic, shrinkage  # of Ftrl


cdef inline bint is_update(int64_t kernel) noexcept nogil:
    """Whether an op is one elementwise update."""
    return kernel == K_SGD_UPDATE or kernel == K_ADAM_UPDATE or K_NADAM_UPDATE <= kernel <= K_FTRL_UPDATE


cdef Update prepare_update(const Op* op, double scheduled) noexcept nogil:
    """What the step needs of an op: pointers w, dw, three of state, powers of the betas, scale (or NULL), the
    op of a penalty's gradient that it makes itself (or NULL); scalars learning rate, weight decay, clipvalue,
    then its own; the learning rate of the step, or nan for the op's own."""
    cdef Update u
    cdef double rate = op.s[0] if isnan(scheduled) else scheduled, last, next, l1, l2
    cdef const double* divisor
    cdef const double* own = op.s + 3
    cdef const double* powers = <const double*>op.p[5]
    memset(&u, 0, sizeof(u))
    u.scale = 1.0 if op.p[6] == NULL else (<const double*>op.p[6])[0]
    u.rate, u.decay, u.clip = rate, rate * op.s[1], op.s[2]
    if op.p[9] != NULL:
        l1, l2 = (<const Op*>op.p[9]).s[0], (<const Op*>op.p[9]).s[1]
        divisor = <const double*>(<const Op*>op.p[9]).p[2]
        u.l1, u.twice_l2 = divided(l1, divisor), 2.0 * divided(l2, divisor)
    if op.kernel == K_SGD_UPDATE:
        u.kind = SGD_PLAIN if op.p[2] == NULL else SGD_NESTEROV if own[1] != 0 else SGD_MOMENTUM
        u.momentum, u.penalty = own[0], own[2]
    elif op.kernel == K_ADAM_UPDATE:
        u.kind = ADAM if op.p[4] == NULL else ADAM_AMSGRAD
        u.share_1, u.share_2, u.epsilon = 1.0 - own[0], 1.0 - own[1], own[2]
        u.rate = rate * sqrt(1.0 - powers[1]) / (1.0 - powers[0])
    elif op.kernel == K_NADAM_UPDATE:
        u.kind = NADAM
        u.share_1, u.share_2, u.epsilon = 1.0 - own[0], 1.0 - own[1], own[2]
        last = own[0] * (1.0 - 0.5 * powers[2])
        next = own[0] * (1.0 - 0.5 * (powers[2] * NADAM_DECAY))
        u.mean_part = next / (1.0 - powers[0] * next)
        u.slope_part = (1.0 - last) / (1.0 - powers[0])
        u.correction = 1.0 / (1.0 - powers[1])
    elif op.kernel == K_ADAMAX_UPDATE:
        u.kind = ADAMAX
        u.share_1, u.momentum, u.epsilon = 1.0 - own[0], own[1], own[2]
        u.rate = rate / (1.0 - powers[0])
    elif op.kernel == K_RMSPROP_UPDATE:
        u.kind = RMSPROP if op.p[4] == NULL else RMSPROP_CENTERED
        u.share_2, u.momentum, u.epsilon = 1.0 - own[0], own[1], own[2]
    elif op.kernel == K_ADAGRAD_UPDATE:
        u.kind = ADAGRAD
        u.epsilon = own[0]
    elif op.kernel == K_ADADELTA_UPDATE:
        u.kind = ADADELTA
        u.share_2, u.epsilon = 1.0 - own[0], own[1]
    elif op.kernel == K_LION_UPDATE:
        u.kind = LION
        u.share_1, u.share_2 = 1.0 - own[0], 1.0 - own[1]
    elif op.kernel == K_FTRL_UPDATE:
        u.kind = FTRL if rate != 0 else NOTHING
        u.power, u.limit, u.shrinkage, u.inverse_rate = -own[0], own[1], 2.0 * own[3], 1.0 / rate
        u.quadratic = 2.0 * own[2] + own[4] / rate
    else:  # of Lamb
        u.share_1, u.share_2, u.epsilon = 1.0 - own[0], 1.0 - own[1], own[2]
        u.mean_part, u.correction = 1.0 / (1.0 - powers[0]), 1.0 / (1.0 - powers[1])
    return u


cdef inline const floating* prepare_block(const Update* u, floating* w, const floating* g, floating* changed,
                                          Py_ssize_t n) noexcept nogil:
    """g := clip(scale (g + penalty's)) + l2 w, in `changed` where it differs;  w := w - decay w;  gives g"""
    cdef floating scale = <floating>u.scale, penalty = <floating>u.penalty, decay = <floating>u.decay
    cdef floating clip = <floating>u.clip, t
    cdef Py_ssize_t i
    if u.l1 != 0 or u.twice_l2 != 0:
        add_penalty(changed, g, <const floating*>w, <floating>u.l1, <floating>u.twice_l2, n)
        g = changed
    if scale != 1:
        for i in range(n):
            changed[i] = scale * g[i]
        g = changed
    if clip < <floating>INFINITY:
        for i in range(n):
            t = clip if clip < g[i] else g[i]
            changed[i] = -clip if -clip > t else t
        g = changed
    if penalty != 0:
        for i in range(n):
            changed[i] = fma(penalty, w[i], g[i])
        g = changed
    if decay != 0:
        for i in range(n):
            w[i] = fma(-decay, w[i], w[i])
    return g


cdef void update_block(
    const Update* u,
    floating* w,        # INOUT (N,)
    const floating* g,  # IN    (N,) the gradient
    floating* s0,       # INOUT (N,) state, as the loops below call it
    floating* s1,       # INOUT (N,)
    floating* s2,       # INOUT (N,)
    Py_ssize_t n,
) noexcept nogil:
    """`prepare_block`, then the step of the kind; arrays that it has not are NULL"""
    cdef floating[BLOCK] changed
    cdef const floating* slope
    cdef Py_ssize_t b, size
    if u.kind == NOTHING:
        return
    for b from 0 <= b < n by BLOCK:
        size = min(<Py_ssize_t>BLOCK, n - b)
        slope = prepare_block(u, w + b, g + b, <floating*>changed, size)
        if u.kind == SGD_PLAIN:
            sgd_plain(u, w + b, slope, size)
        elif u.kind == SGD_MOMENTUM:
            sgd_momentum(u, w + b, slope, s0 + b, size)
        elif u.kind == SGD_NESTEROV:
            sgd_nesterov(u, w + b, slope, s0 + b, size)
        elif u.kind == ADAM:
            adam(u, w + b, slope, s0 + b, s1 + b, size)
        elif u.kind == ADAM_AMSGRAD:
            adam_amsgrad(u, w + b, slope, s0 + b, s1 + b, s2 + b, size)
        elif u.kind == NADAM:
            nadam(u, w + b, slope, s0 + b, s1 + b, size)
        elif u.kind == ADAMAX:
            adamax(u, w + b, slope, s0 + b, s1 + b, size)
        elif u.kind == RMSPROP or u.kind == RMSPROP_CENTERED:
            rmsprop(u, w + b, slope, s0 + b, s1 + b if s1 != NULL else s1, s2 + b if s2 != NULL else s2,
                    size)
        elif u.kind == ADAGRAD:
            adagrad(u, w + b, slope, s0 + b, size)
        elif u.kind == ADADELTA:
            adadelta(u, w + b, slope, s0 + b, s1 + b, size)
        elif u.kind == LION:
            lion(u, w + b, slope, s0 + b, size)
        elif u.kind == FTRL:
            ftrl(u, w + b, slope, s0 + b, s1 + b, size)


cdef void update(const Op* op, double rate, floating* w, const floating* g, floating* s0, floating* s1,
                 floating* s2, Py_ssize_t n, int thread, int n_threads) noexcept nogil:
    """An elementwise update: one thread's share of (N,) elements."""
    cdef Update u = prepare_update(op, rate)
    cdef Py_ssize_t begin, end
    nn_share(n, BLOCK, thread, n_threads, &begin, &end)
    update_block(&u, w + begin, g + begin, s0 + begin if s0 != NULL else s0,
                 s1 + begin if s1 != NULL else s1, s2 + begin if s2 != NULL else s2, end - begin)


# ------------------------------------------------------------------ what the loops share
cdef inline floating flushed(floating v) noexcept nogil:
    cdef floating least = <floating>(SMALLEST_NORMAL_F32 if floating is float else SMALLEST_NORMAL_F64)
    return <floating>0 if size_of(v) < least else v


cdef inline floating size_of(floating v) noexcept nogil:
    if floating is float:  # a statement: gcc warns of the branch that an expression would leave
        return fabsf(v)
    else:
        return fabs(v)


cdef inline floating root(floating v) noexcept nogil:
    return sqrtf(v) if floating is float else sqrt(v)


cdef inline floating larger(floating kept, floating v) noexcept nogil:
    """The larger one, or nan where one is nan. In this order gcc makes one masked max of it."""
    cdef floating most = kept if kept > v else v
    return kept if kept != kept else most


# ------------------------------------------------------------------ the steps
cdef void sgd_plain(const Update* u, floating* w, const floating* g, Py_ssize_t n) noexcept nogil:
    cdef floating rate = <floating>u.rate
    cdef Py_ssize_t i
    for i in range(n):
        w[i] = fma(-rate, g[i], w[i])


cdef void sgd_momentum(const Update* u, floating* w, const floating* g, floating* velocity,
                       Py_ssize_t n) noexcept nogil:
    cdef floating rate = <floating>u.rate, momentum = <floating>u.momentum, v
    cdef Py_ssize_t i
    for i in range(n):
        v = flushed(fma(momentum, velocity[i], -(rate * g[i])))
        velocity[i] = v
        w[i] = w[i] + v


cdef void sgd_nesterov(const Update* u, floating* w, const floating* g, floating* velocity,
                       Py_ssize_t n) noexcept nogil:
    cdef floating rate = <floating>u.rate, momentum = <floating>u.momentum, v, step
    cdef Py_ssize_t i
    for i in range(n):
        step = rate * g[i]
        v = flushed(fma(momentum, velocity[i], -step))
        velocity[i] = v
        w[i] = w[i] + fma(momentum, v, -step)


cdef void adam(const Update* u, floating* w, const floating* g, floating* m, floating* v,
               Py_ssize_t n) noexcept nogil:
    """m := m + (1 - b1) (g - m);  v := v + (1 - b2) (g g - v);  w := w - rate m / (sqrt(v) + epsilon)"""
    cdef floating rate = <floating>u.rate, epsilon = <floating>u.epsilon
    cdef floating share_1 = <floating>u.share_1, share_2 = <floating>u.share_2, mean, square
    cdef Py_ssize_t i
    for i in range(n):
        mean = flushed(fma(share_1, g[i] - m[i], m[i]))
        square = flushed(fma(share_2, fma(g[i], g[i], -v[i]), v[i]))
        m[i] = mean
        v[i] = square
        w[i] = fma(-rate, mean / (root(square) + epsilon), w[i])


cdef void adam_amsgrad(const Update* u, floating* w, const floating* g, floating* m, floating* v,
                       floating* v_hat, Py_ssize_t n) noexcept nogil:
    """As `adam`, with v_hat := max(v_hat, v) in the root."""
    cdef floating rate = <floating>u.rate, epsilon = <floating>u.epsilon
    cdef floating share_1 = <floating>u.share_1, share_2 = <floating>u.share_2, mean, square, most
    cdef Py_ssize_t i
    for i in range(n):
        mean = flushed(fma(share_1, g[i] - m[i], m[i]))
        square = flushed(fma(share_2, fma(g[i], g[i], -v[i]), v[i]))
        most = flushed(larger(v_hat[i], square))
        m[i] = mean
        v[i] = square
        v_hat[i] = most
        w[i] = fma(-rate, mean / (root(most) + epsilon), w[i])


cdef void nadam(const Update* u, floating* w, const floating* g, floating* m, floating* v,
                Py_ssize_t n) noexcept nogil:
    """m and v as in `adam`;  w := w - rate (a m + b g) / (sqrt(c v) + epsilon)"""
    cdef floating rate = <floating>u.rate, epsilon = <floating>u.epsilon
    cdef floating share_1 = <floating>u.share_1, share_2 = <floating>u.share_2, mean, square, ahead
    cdef floating mean_part = <floating>u.mean_part, slope_part = <floating>u.slope_part
    cdef floating correction = <floating>u.correction
    cdef Py_ssize_t i
    for i in range(n):
        mean = flushed(fma(share_1, g[i] - m[i], m[i]))
        square = flushed(fma(share_2, fma(g[i], g[i], -v[i]), v[i]))
        m[i] = mean
        v[i] = square
        ahead = fma(mean_part, mean, slope_part * g[i])
        w[i] = fma(-rate, ahead / (root(correction * square) + epsilon), w[i])


cdef void adamax(const Update* u, floating* w, const floating* g, floating* m, floating* norm,
                 Py_ssize_t n) noexcept nogil:
    """m as in `adam`;  norm := max(b2 norm, |g|);  w := w - rate m / (norm + epsilon)"""
    cdef floating rate = <floating>u.rate, epsilon = <floating>u.epsilon
    cdef floating share_1 = <floating>u.share_1, kept = <floating>u.momentum, mean, most
    cdef Py_ssize_t i
    for i in range(n):
        mean = flushed(fma(share_1, g[i] - m[i], m[i]))
        most = flushed(larger(kept * norm[i], size_of(g[i])))
        m[i] = mean
        norm[i] = most
        w[i] = fma(-rate, mean / (most + epsilon), w[i])


cdef void rmsprop(const Update* u, floating* w, const floating* g, floating* v, floating* momentum,
                  floating* mean, Py_ssize_t n) noexcept nogil:
    """v as in `adam`;  q := g / sqrt(v + epsilon), or with the mean of g  g / sqrt(v - mean mean + epsilon);
    w := w - rate q, or with momentum:  momentum := b momentum + rate q;  w := w - momentum"""
    cdef floating[BLOCK] quotient
    cdef floating rate = <floating>u.rate, epsilon = <floating>u.epsilon, share = <floating>u.share_2
    cdef floating kept = <floating>u.momentum, square, average, spread, step
    cdef Py_ssize_t i
    if mean == NULL:
        for i in range(n):
            square = flushed(fma(share, fma(g[i], g[i], -v[i]), v[i]))
            v[i] = square
            quotient[i] = g[i] / root(square + epsilon)
    else:
        for i in range(n):
            square = flushed(fma(share, fma(g[i], g[i], -v[i]), v[i]))
            average = flushed(fma(share, g[i] - mean[i], mean[i]))
            v[i] = square
            mean[i] = average
            spread = fma(-average, average, square)
            spread = <floating>0 if spread < 0 else spread  # a rounding error: there is no root of it
            quotient[i] = g[i] / root(spread + epsilon)
    if momentum == NULL:
        for i in range(n):
            w[i] = fma(-rate, quotient[i], w[i])
    else:
        for i in range(n):
            step = flushed(fma(kept, momentum[i], rate * quotient[i]))
            momentum[i] = step
            w[i] = w[i] - step


cdef void adagrad(const Update* u, floating* w, const floating* g, floating* total,
                  Py_ssize_t n) noexcept nogil:
    """total := total + g g;  w := w - rate g / sqrt(total + epsilon)"""
    cdef floating rate = <floating>u.rate, epsilon = <floating>u.epsilon, square
    cdef Py_ssize_t i
    for i in range(n):
        square = flushed(fma(g[i], g[i], total[i]))
        total[i] = square
        w[i] = fma(-rate, g[i] / root(square + epsilon), w[i])


cdef void adadelta(const Update* u, floating* w, const floating* g, floating* v, floating* steps,
                   Py_ssize_t n) noexcept nogil:
    """v as in `adam`;  d := sqrt((steps + epsilon) / (v + epsilon)) g;  w := w - rate d;
    steps := steps + (1 - rho) (d d - steps)"""
    cdef floating rate = <floating>u.rate, epsilon = <floating>u.epsilon, share = <floating>u.share_2
    cdef floating square, step
    cdef Py_ssize_t i
    for i in range(n):
        square = flushed(fma(share, fma(g[i], g[i], -v[i]), v[i]))
        v[i] = square
        step = root((steps[i] + epsilon) / (square + epsilon)) * g[i]
        steps[i] = flushed(fma(share, fma(step, step, -steps[i]), steps[i]))
        w[i] = fma(-rate, step, w[i])


cdef void lion(const Update* u, floating* w, const floating* g, floating* m, Py_ssize_t n) noexcept nogil:
    """w := w - rate sign(m + (1 - b1) (g - m));  m := m + (1 - b2) (g - m)"""
    cdef floating rate = <floating>u.rate, share_1 = <floating>u.share_1, share_2 = <floating>u.share_2
    cdef floating ahead, step
    cdef Py_ssize_t i
    for i in range(n):
        ahead = fma(share_1, g[i] - m[i], m[i])
        step = rate if ahead > 0 else ahead - ahead  # +0 or nan
        step = -rate if ahead < 0 else step
        m[i] = flushed(fma(share_2, g[i] - m[i], m[i]))
        w[i] = w[i] - step


cdef void ftrl(const Update* u, floating* w, const floating* g, floating* total, floating* linear,
               Py_ssize_t n) noexcept nogil:
    """total' := total + g g;  linear := linear + (g + 2 s w) - (total'^p - total^p) / rate w;
    w := (clip(linear, l1) - linear) / (total'^p / rate + quadratic)"""
    cdef floating[BLOCK] before
    cdef floating[BLOCK] after
    cdef floating inverse = <floating>u.inverse_rate, quadratic = <floating>u.quadratic
    cdef floating l1 = <floating>u.limit, shrinkage = <floating>u.shrinkage, grown, z, t
    cdef Py_ssize_t i
    for i in range(n):
        before[i] = total[i]
        grown = fma(g[i], g[i], total[i])
        after[i] = grown
        total[i] = flushed(grown)
    power_all(<floating*>before, u.power, n)
    power_all(<floating*>after, u.power, n)
    for i in range(n):
        grown = (after[i] - before[i]) * inverse
        z = flushed(linear[i] + fma(-grown, w[i], fma(shrinkage, w[i], g[i])))
        linear[i] = z
        t = l1 if l1 < z else z
        t = (-l1 if -l1 > t else t) - z
        grown = t / fma(after[i], inverse, quadratic)
        w[i] = <floating>0 if t == 0 else grown  # where nothing was ever learned both may be 0


cdef inline void power_all(floating* x, double power, Py_ssize_t n) noexcept nogil:
    """x := x^power, for power of at least 0"""
    cdef floating p = <floating>power
    cdef Py_ssize_t i
    if p == <floating>0.5:
        for i in range(n):
            x[i] = root(x[i])
    elif p == 0:
        for i in range(n):
            x[i] = 1 + (x[i] - x[i])
    else:
        log_all(x, n)
        for i in range(n):
            x[i] = p * x[i]
        exp_all(x, n)


# ------------------------------------------------------------------ Lamb
cdef inline void lamb_direction(const Update* u, const floating* m, const floating* v, floating* r,
                                Py_ssize_t n) noexcept nogil:
    """r := a m / (sqrt(c v) + epsilon)"""
    cdef floating part = <floating>u.mean_part, correction = <floating>u.correction
    cdef floating epsilon = <floating>u.epsilon
    cdef Py_ssize_t i
    for i in range(n):
        r[i] = part * (m[i] / (root(correction * v[i]) + epsilon))


cdef void lamb_moments(
    const Op* op, double rate,
    floating* w,        # INOUT (N,) its decay
    const floating* g,  # IN    (N,)
    floating* m,        # INOUT (N,)
    floating* v,        # INOUT (N,)
    double* sums,       # OUT   (2, ceil(N / NORM_BLOCK)) of the squares of w, and of the direction
    Py_ssize_t n, int thread, int n_threads,
) noexcept nogil:
    """m and v as in `adam`, and what the norms need: see `square_sums`."""
    cdef Update u = prepare_update(op, rate)
    cdef floating[BLOCK] changed
    cdef floating[BLOCK] direction
    cdef double[8] of_w
    cdef double[8] of_r
    cdef const floating* slope
    cdef Py_ssize_t begin, end, first, b, size, i, blocks = (n + NORM_BLOCK - 1) // NORM_BLOCK
    cdef floating share_1 = <floating>u.share_1, share_2 = <floating>u.share_2
    nn_share(n, NORM_BLOCK, thread, n_threads, &begin, &end)
    for first from begin <= first < end by NORM_BLOCK:
        memset(of_w, 0, sizeof(of_w))
        memset(of_r, 0, sizeof(of_r))
        for b from first <= b < min(first + NORM_BLOCK, end) by BLOCK:
            size = min(<Py_ssize_t>BLOCK, end - b)
            slope = prepare_block(&u, w + b, g + b, <floating*>changed, size)
            for i in range(size):
                m[b + i] = flushed(fma(share_1, slope[i] - m[b + i], m[b + i]))
                v[b + i] = flushed(fma(share_2, fma(slope[i], slope[i], -v[b + i]), v[b + i]))
            lamb_direction(&u, <const floating*>m + b, <const floating*>v + b, <floating*>direction, size)
            add_squares(<const floating*>w + b, <double*>of_w, size)
            add_squares(<const floating*>direction, <double*>of_r, size)
        sums[first // NORM_BLOCK] = lanes_tree(<double*>of_w)
        sums[blocks + first // NORM_BLOCK] = lanes_tree(<double*>of_r)


cdef void lamb_ratio(
    const double* sums,  # IN  (2, N)
    double* ratio,       # OUT (1,) norm of w / norm of the direction, 1 where one is 0
    Py_ssize_t n,
) noexcept nogil:
    cdef double of_w = 0, of_r = 0
    cdef Py_ssize_t i
    for i in range(n):
        of_w += sums[i]
        of_r += sums[n + i]
    of_w, of_r = sqrt(of_w), sqrt(of_r)
    ratio[0] = of_w / of_r if of_w > 0 and of_r > 0 else 1.0


cdef void lamb_step(
    const Op* op, double rate,
    floating* w,           # INOUT (N,)
    const floating* m,     # IN    (N,)
    const floating* v,     # IN    (N,)
    const double* ratio,   # IN    (1,)
    Py_ssize_t n, int thread, int n_threads,
) noexcept nogil:
    """w := w - rate ratio direction"""
    cdef Update u = prepare_update(op, rate)
    cdef floating[BLOCK] direction
    cdef floating alpha = <floating>(u.rate * ratio[0])
    cdef Py_ssize_t begin, end, b, size, i
    nn_share(n, BLOCK, thread, n_threads, &begin, &end)
    for b from begin <= b < end by BLOCK:
        size = min(<Py_ssize_t>BLOCK, end - b)
        lamb_direction(&u, m + b, v + b, <floating*>direction, size)
        for i in range(size):
            w[b + i] = fma(-alpha, direction[i], w[b + i])


# ------------------------------------------------------------------ around the updates
cdef void accumulate_gradient(
    floating* total,     # INOUT (N,)
    const floating* dw,  # IN    (N,)
    Py_ssize_t n, int64_t steps, int64_t step, int thread, int n_threads,
) noexcept nogil:
    """total := dw in the first step of a group, else total + dw; after the last one their mean"""
    cdef floating divisor = <floating>steps
    cdef Py_ssize_t begin, end, i
    nn_share(n, BLOCK, thread, n_threads, &begin, &end)
    if step % steps == 0:
        memcpy(total + begin, dw + begin, (end - begin) * sizeof(floating))
    elif step % steps < steps - 1:
        for i in range(begin, end):
            total[i] = total[i] + dw[i]
    else:
        for i in range(begin, end):
            total[i] = (total[i] + dw[i]) / divisor


cdef void average_update(
    floating* average,  # INOUT (N,)
    floating* w,        # IN    (N,); INOUT where it is overwritten
    Py_ssize_t n, double momentum, bint first, bint overwrite, int thread, int n_threads,
) noexcept nogil:
    """average := average + (1 - momentum) (w - average), w in the first step; w := average where asked for"""
    cdef floating share = <floating>(1.0 if first else 1.0 - momentum)
    cdef Py_ssize_t begin, end, i
    nn_share(n, BLOCK, thread, n_threads, &begin, &end)
    if first:
        for i in range(begin, end):
            average[i] = flushed(w[i])
    else:
        for i in range(begin, end):
            average[i] = flushed(fma(share, w[i] - average[i], average[i]))
    if overwrite:
        memcpy(w + begin, average + begin, (end - begin) * sizeof(floating))


# ------------------------------------------------------------------ norms
cdef inline void add_squares(const floating* x, double* lane, Py_ssize_t n) noexcept nogil:
    """lane[j] := lane[j] + x[8i + j]^2 in float64, for ascending i"""
    cdef Py_ssize_t full = n // 8 * 8, i, j
    cdef double[8] total
    cdef double e
    memcpy(total, lane, sizeof(total))
    for i from 0 <= i < full by 8:
        for j in range(8):
            e = x[i + j]
            total[j] += e * e
    for j in range(n - full):
        e = x[full + j]
        total[j] += e * e
    memcpy(lane, total, sizeof(total))


cdef void square_sums(
    const floating* x,  # IN  (N,)
    double* sums,       # OUT (ceil(N / NORM_BLOCK),)
    Py_ssize_t n, int thread, int n_threads,
) noexcept nogil:
    """sums := of the squares of each block, in float64: eight virtual lanes and their tree"""
    cdef double[8] lane
    cdef Py_ssize_t begin, end, first
    nn_share(n, NORM_BLOCK, thread, n_threads, &begin, &end)
    for first from begin <= first < end by NORM_BLOCK:
        memset(lane, 0, sizeof(lane))
        add_squares(x + first, <double*>lane, min(<Py_ssize_t>NORM_BLOCK, end - first))
        sums[first // NORM_BLOCK] = lanes_tree(<double*>lane)


cdef void clip_scale(
    const double* sums,  # IN  (N,)
    double* scale,       # OUT (2,) what gradients are multiplied by, and the sum of all sums
    Py_ssize_t n, double clip,
) noexcept nogil:
    """scale := clip / sqrt(sum) where that root is larger than clip, else 1; nan when it is not finite"""
    cdef double total = 0, norm
    cdef Py_ssize_t i
    for i in range(n):
        total += sums[i]
    norm = sqrt(total)
    scale[0], scale[1] = clip / norm if norm > clip else 1.0, total
    if not isfinite(norm):  # one that overflowed would silently stop the training
        scale[0] = norm - norm
