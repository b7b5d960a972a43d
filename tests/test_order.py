"""The order of rows that a function of the user gives, and the limit of threads of one Python thread."""

import threading

import numpy as np
import pytest

import nncore as nn


def make(seed=3):
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(8, "relu"), nn.layers.Dense(1)], seed=seed)
    model.compile(nn.optimizers.Adam(0.01), "mse")
    return model


def data(rows=50):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 4)).astype(np.float32), rng.normal(size=(rows, 1)).astype(np.float32)


@pytest.mark.parametrize("augment", [None, lambda x, y, rng: (x, y)])
def test_rows_come_in_the_order_that_a_function_gives(augment):
    x, y = data()
    orders = [np.random.default_rng(number).permutation(50) for number in range(3)]
    asked = []

    def order(number):
        asked.append(number)
        return orders[number]

    one, other = make(), make()
    one.fit(x, y, batch_size=16, epochs=3, shuffle=order, augment=augment, verbose=0)
    for rows in orders:
        other.fit(x[rows], y[rows], batch_size=16, shuffle=False, verbose=0)
    assert asked == [0, 1, 2]
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("order, words", [
    (lambda number: [0, 1], "50 row numbers, got int64 of shape (2,)"),
    (lambda number: np.arange(50) + 1, "row numbers in 0 ... 49, got 1 ... 50"),
    (lambda number: np.arange(50.0), "50 row numbers, got float64"),
])
def test_an_order_that_is_none_is_refused(order, words):
    model = make()
    before = model.get_weights() if model.built else None
    with pytest.raises(ValueError, match="shuffle") as error:
        model.fit(*data(), shuffle=order, verbose=0)
    assert words in str(error.value)
    if before is not None:
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


class Sampler:
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __call__(self, number):
        return np.roll(self.rows, number)


@pytest.mark.parametrize("augment", [None, lambda x, y, rng: (x, y)])
@pytest.mark.parametrize("metrics", [[], ["mae"], [nn.metrics.R2Score()]])
@pytest.mark.parametrize("rows", [[3], [7, 1, 30, 49, 2], list(range(40, 9, -1)), [0] * 10 + [5] * 7,
                                  list(range(50)) * 2 + [4]])
def test_a_sampler_gives_some_rows_or_some_several_times(rows, metrics, augment):
    x, y = data()
    one, other = make(), make()
    for model in (one, other):
        model.compile(nn.optimizers.Adam(0.01), "mse", metrics=metrics)
    history = one.fit(x, y, batch_size=8, epochs=3, shuffle=Sampler(rows), augment=augment, verbose=0)
    for number in range(3):
        taken = np.roll(rows, number)
        step = other.fit(x[taken], y[taken], batch_size=8, shuffle=False, verbose=0)
        for name, values in step.history.items():
            assert values[0] == history.history[name][number]
    assert history.params["steps"] == -(-len(rows) // 8)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_sampler_without_rows_is_refused():
    with pytest.raises(ValueError, match="fit: shuffle must give at least one row"):
        make().fit(*data(), shuffle=Sampler([]), verbose=0)


def test_batches_take_no_order():
    x, y = data()
    with pytest.raises(ValueError, match="fit: shuffle must be a bool where x is batches"):
        make().fit(iter([(x, y)]), shuffle=lambda number: np.arange(50), verbose=0)


def test_a_limit_holds_for_its_thread_alone():
    most = nn.get_num_threads()
    seen = []
    with nn.limit_threads(1):
        assert nn.get_num_threads() == 1
        thread = threading.Thread(target=lambda: seen.append(nn.get_num_threads()))
        thread.start()
        thread.join()
        with nn.limit_threads(None):
            assert nn.get_num_threads() == most
        assert nn.get_num_threads() == 1
    assert seen == [most] == [nn.get_num_threads()]


def test_a_limit_ends_with_an_error():
    most = nn.get_num_threads()
    with pytest.raises(ZeroDivisionError), nn.limit_threads(1):
        raise ZeroDivisionError
    assert nn.get_num_threads() == most


@pytest.mark.parametrize("n", [0, -1, 1.5, "2"])
def test_a_limit_that_is_no_number_of_threads_is_refused(n):
    with pytest.raises((TypeError, ValueError), match="limit_threads: n must be"), nn.limit_threads(n):
        pass
