"""Runs that are killed and started again end as the uninterrupted one, byte for byte."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import nncore as nn
from nncore.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from nncore.data import augment
from nncore.layers import BatchNormalization, Dense, Dropout, GaussianNoise

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))
Y = X @ [[1.0], [2.0], [-1.0]] + 0.1 * RNG.normal(size=(50, 1))


class Batches(nn.utils.PyDataset):
    """Shuffles itself, from a seed of its own, between passes."""

    def __init__(self):
        super().__init__()
        self.rng, self.order = np.random.default_rng(3), np.arange(50)

    def __len__(self):
        return 7

    def __getitem__(self, index):
        rows = self.order[8 * index : 8 * index + 8]
        return X[rows], Y[rows], 1 + (rows % 3)

    def on_epoch_end(self):
        self.order = self.rng.permutation(50)


def generator():
    rng = np.random.default_rng(4)
    while True:
        rows = rng.integers(0, 50, 8)
        yield X[rows], Y[rows]


def validation():
    for start in range(1000):
        rows = (np.arange(5) + start) % 50
        yield X[rows], Y[rows]


class Stop(Exception):
    """The program dies here."""


DATA = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": 8, "validation_split": 0.2},
    "in order": lambda: {"x": X, "y": Y, "batch_size": 8, "shuffle": False, "sample_weight": np.arange(50) % 4},
    "arrays, steps": lambda: {"x": X, "y": Y, "batch_size": 8, "steps_per_epoch": 5, "validation_data": (X[:9], Y[:9])},
    "augmented": lambda: {"x": X, "y": Y, "batch_size": 8, "augment": [augment.noise(0.1), augment.mixup(0.4)],
                          "validation_data": (X[:9], Y[:9])},
    "data set": lambda: {"x": Batches(), "validation_data": (X, Y), "validation_freq": 2},
    "data set, steps": lambda: {"x": Batches(), "steps_per_epoch": 4, "validation_data": Batches(), "validation_steps": 2},
    "generator": lambda: {"x": generator(), "steps_per_epoch": 6, "validation_data": validation(), "validation_steps": 3},
}


def train(folder, kind="arrays", save_freq="epoch", more=(), optimizer="adam", epochs=7, seed=None, data=None,
          double=False, nonfinite="raise", delete=True):
    """A training program: what it ends with, as bytes."""
    os.makedirs(folder, exist_ok=True)
    model = nn.Sequential([nn.Input((3,)), GaussianNoise(0.05), Dense(20, "tanh"), BatchNormalization(), Dropout(0.2), Dense(1)],
                          seed=seed)
    optimizers = {"adam": lambda: nn.optimizers.Adam(0.03), "momentum": lambda: nn.optimizers.SGD(0.05, 0.9),
                  "sgd": lambda: nn.optimizers.SGD(0.05)}
    model.compile(optimizers[optimizer](), "mse", metrics=["mae", nn.metrics.R2Score()], weighted_metrics=["mse"])
    given = DATA[kind]() if data is None else data
    validated = {"validation_data", "validation_split"} & set(given) and "validation_freq" not in given
    monitor = "val_loss" if validated else "loss"
    callbacks = [
        EarlyStopping(monitor, patience=3, restore_best_weights=True, min_delta=0.01),
        BackupAndRestore(os.path.join(folder, "backup"), save_freq, double, delete_checkpoint=delete),
        ReduceLROnPlateau(monitor, 0.5, 1, min_delta=0.02),
        CSVLogger(os.path.join(folder, "log.csv")),
        ModelCheckpoint(os.path.join(folder, "best"), monitor, save_best_only=True),
        *more,
    ]
    history = model.fit(**given, epochs=epochs, verbose=0, callbacks=callbacks, nonfinite=nonfinite)
    with open(os.path.join(folder, "log.csv"), "rb") as file:
        log = file.read()
    return {
        "weights": [w.tobytes().hex() for w in model.get_weights()],
        "state": {path: slot.numpy().tobytes().hex() for path, slot in model.slot_paths().items()},
        "iterations": model.optimizer.iterations, "rate": model.optimizer.learning_rate, "epochs_done": model._epochs_done,
        "history": history.history, "epoch": history.epoch, "log": log.decode(), "stop": model.stop_training,
        "best": [w.tobytes().hex() for w in nn.load_model(os.path.join(folder, "best")).get_weights()],
    }


def dies(after, hook):
    """A callback that ends the program at the n-th call of a hook."""
    calls = []

    def count(*arguments):
        calls.append(1)
        if len(calls) == after:
            raise Stop

    return LambdaCallback(**{hook: count})


IDLE = LambdaCallback  # in the place of the callback above


@pytest.mark.parametrize("save_freq", ["epoch", 1, 3])
@pytest.mark.parametrize("kind", DATA)
def test_an_interrupted_run_goes_on(tmp_path, kind, save_freq):
    """Interrupted again and again, each time some batches and epochs further on."""
    whole = train(tmp_path / "whole", kind, save_freq, [IDLE()], seed=5)
    assert not (tmp_path / "whole" / "backup").exists() and len(whole["epoch"]) > 3
    for hook, step in (("on_train_batch_end", 10), ("on_epoch_end", 2), ("on_test_end", 2), ("on_epoch_begin", 2)):
        if hook == "on_test_end" and kind == "in order":
            continue
        folder, interruptions = tmp_path / hook, 0
        for _ in range(99):
            try:
                # Another seed each time: that of the first run is in the file.
                found = train(folder, kind, save_freq, [dies(step, hook)], seed=None if interruptions else 5)
                break
            except Stop:
                interruptions += 1
        assert interruptions > 1
        assert found == whole, hook


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_every_batch_is_a_place_to_stop_at(tmp_path, optimizer):
    whole = train(tmp_path / "whole", "arrays", 1, [IDLE()], optimizer, epochs=2, seed=5)
    for at in range(1, 11):
        with pytest.raises(Stop):
            train(tmp_path / str(at), "arrays", 1, [dies(at, "on_train_batch_end")], optimizer, epochs=2, seed=5)
        assert train(tmp_path / str(at), "arrays", 1, [IDLE()], optimizer, epochs=2, seed=5) == whole, at


def test_without_the_backup_the_run_begins_anew(tmp_path):
    """The checks above can fail: what is compared differs when training starts from the beginning again."""
    whole = train(tmp_path / "whole", more=[IDLE()], seed=5)
    assert train(tmp_path / "other", more=[IDLE()], seed=6) != whole
    with pytest.raises(Stop):
        train(tmp_path / "a", more=[dies(3, "on_epoch_end")], seed=5)
    found = train(tmp_path / "a", more=[IDLE()], epochs=3, seed=5)
    assert found != whole and len(found["epoch"]) == 3


def test_other_callbacks_of_the_user_are_remembered(tmp_path):
    class Counting(Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append(np.float64(logs["loss"]))

        def get_state(self):
            return {"seen": self.seen, "array": np.arange(3)}

        def set_state(self, state):
            assert state["array"].tolist() == [0, 1, 2]
            self.seen = state["seen"]

    counting = Counting()
    train(tmp_path / "whole", more=[counting, IDLE()], seed=5)
    with pytest.raises(Stop):
        train(tmp_path / "a", more=[Counting(), dies(3, "on_epoch_end")], seed=5)
    again = Counting()
    train(tmp_path / "a", more=[again, IDLE()], seed=5)
    assert again.seen == counting.seen and len(again.seen) > 4


def test_a_run_that_was_told_to_end_does_not_go_on(tmp_path):
    """Killed between the last backup and the end of training: early stopping was there already."""
    whole = train(tmp_path / "whole", epochs=60, more=[IDLE()], seed=5)
    assert whole["stop"] and len(whole["epoch"]) < 60
    with pytest.raises(Stop):
        train(tmp_path / "a", epochs=60, more=[dies(1, "on_train_end")], seed=5)
    assert train(tmp_path / "a", epochs=60, more=[IDLE()], seed=5) == whole


def test_nothing_is_left_to_do(tmp_path):
    whole = train(tmp_path / "a", more=[IDLE()], epochs=3, seed=5, delete=False)
    assert sorted(os.listdir(tmp_path / "a" / "backup")) == ["latest.safetensors"]
    assert train(tmp_path / "a", more=[IDLE()], epochs=3, seed=5, delete=False) == whole
    longer = train(tmp_path / "a", more=[IDLE()], epochs=5, seed=5)
    assert longer["epoch"] == [0, 1, 2, 3, 4] and not (tmp_path / "a" / "backup").exists()
    assert longer == train(tmp_path / "b", more=[IDLE()], epochs=5, seed=5)


def test_a_folder_with_other_files_stays(tmp_path):
    os.makedirs(tmp_path / "a" / "backup")
    (tmp_path / "a" / "backup" / "mine").touch()
    train(tmp_path / "a", epochs=2, seed=5)
    assert os.listdir(tmp_path / "a" / "backup") == ["mine"]


def test_the_file_before_the_last(tmp_path):
    whole = train(tmp_path / "whole", more=[IDLE()], seed=5)
    with pytest.raises(Stop):
        train(tmp_path / "a", more=[dies(4, "on_epoch_end")], seed=5, double=True)
    backup = tmp_path / "a" / "backup"
    assert sorted(os.listdir(backup)) == ["latest.safetensors", "previous.safetensors"]
    latest = (backup / "latest.safetensors").read_bytes()
    (backup / "latest.safetensors").write_bytes(latest[: len(latest) // 2])
    with pytest.raises(Stop):
        train(tmp_path / "a", more=[dies(1, "on_epoch_begin")], seed=5, double=True)
    assert train(tmp_path / "a", more=[IDLE()], seed=5, double=True) == whole
    assert not backup.exists()
    os.makedirs(backup)
    (backup / "latest.safetensors").write_bytes(latest[: len(latest) // 2])
    with pytest.raises(ValueError, match="cannot load .*latest.safetensors"):
        train(tmp_path / "a", more=[IDLE()], seed=5)


def test_backups_of_other_programs(tmp_path):
    with pytest.raises(Stop):
        train(tmp_path / "a", more=[dies(2, "on_epoch_end")], seed=5)
    with pytest.raises(ValueError, match=r"BackupAndRestore: .* is of a run with other callbacks: EarlyStopping, .*; here are Ear"):
        train(tmp_path / "a", seed=5)
    with pytest.raises(ValueError, match=r"BackupAndRestore: .* is of another model: it has the optimizer powers, dense/"):
        train(tmp_path / "a", more=[IDLE()], optimizer="momentum", seed=5)
    model = nn.Sequential([nn.Input((3,)), Dense(21), Dense(1)])
    model.compile("adam", "mse")
    path = tmp_path / "a" / "backup" / "latest.safetensors"
    before = [w.tobytes() for w in model.get_weights()]
    with pytest.raises(ValueError, match="other callbacks"):
        model.fit(X, Y, verbose=0, callbacks=BackupAndRestore(path.parent))
    model.save(path)
    with pytest.raises(ValueError, match="is no backup"):
        model.fit(X, Y, verbose=0, callbacks=BackupAndRestore(path.parent))
    assert [w.tobytes() for w in model.get_weights()] == before and model.optimizer.iterations == 0
    for wrong in ("", None):
        with pytest.raises(ValueError, match="BackupAndRestore: backup_dir must be a folder"):
            BackupAndRestore(wrong)

    class Odd(Callback):
        def get_state(self):
            return {"file": sys.stdout}

    with pytest.raises(TypeError, match=r"BackupAndRestore: /callbacks/4/1/file is <.* cannot be kept"):
        train(tmp_path / "odd", more=[Odd()])


def test_the_weights_from_before_the_epoch_are_in_the_file(tmp_path):
    """A loss that becomes nan after the run went on in the middle of an epoch brings back those of its begin."""
    def run(folder, *more):
        def explode(batch, logs):
            if callback.model.optimizer.iterations == 7:
                callback.model.optimizer.learning_rate = 1e30

        callback = LambdaCallback(on_train_batch_begin=explode)
        return train(folder, "arrays", 1, [callback, *more], "momentum", nonfinite="stop", seed=5)

    whole = run(tmp_path / "whole", IDLE())
    assert whole["epoch"] == [0] and whole["iterations"] == 5
    with pytest.raises(Stop):
        run(tmp_path / "a", dies(8, "on_train_batch_end"))
    assert run(tmp_path / "a", IDLE()) == whole


# ---------------------------------------------------------------- killed, by the signal that nobody can catch
def program(folder, kind, save_freq, call, at):
    """Run by `python -c`: train, but kill the process at the n-th call of a function of the system, before or after it."""
    import os
    import signal

    calls = []

    def wrapped(function):
        def counted(*args, **keywords):
            calls.append(1)
            if len(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            value = function(*args, **keywords)
            if len(calls) == -at:
                os.kill(os.getpid(), signal.SIGKILL)
            return value
        return counted

    if call == "batch":
        hook = wrapped(lambda *arguments: None)
        more = [LambdaCallback(on_train_batch_end=hook)]
    else:
        setattr(os, call, wrapped(getattr(os, call)))
        more = [IDLE()]
    print(json.dumps(train(folder, kind, save_freq, more, epochs=4, seed=5)))


def start(folder, kind, save_freq, call="batch", at=0, **options):
    code = f"import test_backup; test_backup.program({str(folder)!r}, {kind!r}, {save_freq!r}, {call!r}, {at})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize(("kind", "save_freq", "call", "places"), [
    ("arrays", "epoch", "replace", (1, -1, 3, -4)),  # of the file that is written beside
    ("arrays", 2, "fsync", (1, -2, 7)),
    ("data set", 3, "unlink", (1, -1)),  # at the end, when the backup goes
    ("augmented", 2, "batch", (1, 4, -9)),
    ("generator", 4, "batch", (5, 5, 5)),
])
def test_killed_at_a_bad_moment(tmp_path, kind, save_freq, call, places):
    done = start(tmp_path / "whole", kind, save_freq)
    assert done.returncode == 0, done.stderr
    whole = json.loads(done.stdout)
    for place in places:
        killed = start(tmp_path / "a", kind, save_freq, call, place)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = start(tmp_path / "a", kind, save_freq)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == whole
    left = [name for name in sorted(os.listdir(tmp_path / "a")) if not name.startswith(".best.")]  # of a checkpoint
    assert left == ["best", "log.csv"]


def test_ctrl_c_and_a_new_process(tmp_path):
    code = (
        "import os, signal, test_backup\n"
        "from nncore.callbacks import LambdaCallback\n"
        "calls = []\n"
        "def hook(batch, logs):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 12: os.kill(os.getpid(), signal.SIGINT)\n"
        f"test_backup.train({str(tmp_path / 'a')!r}, 'arrays', 1, [LambdaCallback(on_train_batch_end=hook)], epochs=4, seed=5)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "KeyboardInterrupt" in done.stderr
    done = start(tmp_path / "a", "arrays", 1)
    whole = start(tmp_path / "whole", "arrays", 1)
    assert done.returncode == whole.returncode == 0 and json.loads(done.stdout) == json.loads(whole.stdout)
