"""The ``nncore`` command: train a dense network on a file, evaluate it, predict with it; configuration."""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

import nncore as nn
from nncore.data import _files as files
from nncore.data._files import DataError, Recipe, Table
from nncore.io import load_weights_file

__all__ = ["main"]

# Epochs, batch size, learning rate. The last was chosen on the digits, on California housing and on MNIST,
# with several seeds: large steps suit the few, well-scaled digits, but make regression on columns with long
# tails diverge.
DEFAULTS = {"digits": (30, 32, 0.1), "csv": (30, 32, 0.02), "npz": (5, 64, 0.03)}
TEST_FRACTION = 0.2
MIN_ROWS = 10
MOMENTUM = 0.9
WEIGHT_DECAY = 0.001
RECIPE_KEY = "nncore.recipe"

DESCRIPTION = {
    "train": "Train a dense network, test it on rows it has not seen, and write it to a file.",
    "evaluate": "Test a model that `nncore train` wrote: accuracy for classes, root mean squared error for numbers.",
    "predict": "Print what a model that `nncore train` wrote predicts for each row, as CSV.",
    "info": "Show version, instruction set, threads, compiler and NumPy.",
}
TRAIN_NOTES = """\
data:
  digits            1,797 handwritten digits of 8x8 pixels that ship with nncore
  FILE.csv[.gz]     a header, then rows of numbers; --target names the column to predict
  FILE.npz          arrays x_train, y_train and, for the test, x_test, y_test (the layout of Keras's mnist.npz)

Inputs are scaled: digits and other uint8 images to [0, 1], all else column by column to mean 0 and standard
deviation 1. The scaling is written with the model, and `nncore evaluate` and `nncore predict` apply it.
Without x_test a fraction of the rows, the same for every --seed, is held out for the test. Ctrl-C ends the
training after the batch under way and still writes the model.

exit codes: 0 done, 1 training failed, 2 bad arguments or data, 130 interrupted
"""


class _Parser(argparse.ArgumentParser):
    """Reports an error in one line: the usage text above it would hide what went wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see {self.prog} --help)\n")


class _TrainingError(Exception):
    """Training ended without a usable model."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ``nncore`` command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Examples
    --------
    >>> from nncore.cli import main
    >>> main(["evaluate", "missing.safetensors", "digits"])
    2
    """
    try:
        args = _parser().parse_args(argv)
        return int(args.run(args))
    except SystemExit as stop:  # argparse has printed its one line, its help or the version
        return stop.code if isinstance(stop.code, int) else 2
    except (DataError, _TrainingError) as error:
        print(f"nncore: error: {error}", file=sys.stderr)
        return 1 if isinstance(error, _TrainingError) else 2
    except KeyboardInterrupt:
        print("nncore: interrupted", file=sys.stderr)
        return 130
    except (
        BrokenPipeError
    ):  # `head`, say, has read enough; at exit Python must not flush into the closed pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


# ---- arguments


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="nncore", description="Dense neural networks on the CPU.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"nncore {nn.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    def command(name: str, run: Any, **settings: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=DESCRIPTION[name], description=DESCRIPTION[name], allow_abbrev=False, **settings
        )
        sub.set_defaults(run=run)
        return sub

    train = command("train", _train, epilog=TRAIN_NOTES, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = train.add_argument
    add("data", metavar="digits|FILE", help="the word digits, a .csv or .csv.gz file, or a .npz file")
    add(
        "--hidden",
        type=_hidden,
        default="256,128",
        metavar="N,N,...",
        help="units of the hidden layers, or none for a linear model (default: %(default)s)",
    )
    add(
        "--activation",
        type=_activation,
        default="relu",
        metavar="NAME",
        help="of the hidden layers (default: %(default)s)",
    )
    epochs, batch_sizes, rates = (
        ", ".join(
            f"{value:g} for {source}"
            for source, value in zip(("digits", ".csv", ".npz"), values, strict=True)
        )
        for values in zip(*DEFAULTS.values(), strict=True)
    )
    add(
        "--epochs", type=_positive_int, metavar="N", help=f"passes over the training rows (default: {epochs})"
    )
    add("--batch-size", type=_positive_int, metavar="N", help=f"rows a step (default: {batch_sizes})")
    add(
        "--learning-rate",
        type=_positive_float,
        metavar="RATE",
        help=f"of SGD with momentum {MOMENTUM} and weight decay {WEIGHT_DECAY} (default: {rates})",
    )
    add(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of the weights and the shuffles (default: %(default)s)",
    )
    add(
        "--threads", type=_positive_int, metavar="N", help="at most N threads (default: as nncore info shows)"
    )
    add(
        "--out",
        metavar="PATH",
        help="the model file to write (default: the data's name with .safetensors, here)",
    )
    add("--target", metavar="COLUMN", help="the column of a .csv to predict (needed there)")
    add("--drop", type=_names, default=[], metavar="COLUMN,...", help="columns of a .csv to leave out")
    add(
        "--task",
        choices=["classification", "regression"],
        help="what the target is (default: classification for text and for at most "
        f"{files.MAX_AUTO_CLASSES} different whole numbers in a .csv, and for integers in a .npz; else regression)",
    )
    add(
        "--test-fraction",
        type=_fraction,
        metavar="F",
        help=f"of the rows, to hold out for the test (default: {TEST_FRACTION})",
    )

    for name, run in (("evaluate", _evaluate), ("predict", _predict)):
        sub = command(name, run)
        sub.add_argument("model", metavar="MODEL", help="the file that nncore train wrote")
        data = "for digits: " + ("the rows held out of the training" if name == "evaluate" else "all rows")
        arrays = "x_test, y_test (or x, y)" if name == "evaluate" else "x (or x_test)"
        sub.add_argument(
            "data", metavar="digits|FILE", help=f"{data}; of a .csv: all rows; of a .npz: {arrays}"
        )
        sub.add_argument("--threads", type=_positive_int, metavar="N", help="at most N threads")
    sub.add_argument("--out", metavar="PATH", help="the .csv file to write (default: standard output)")

    command("info", _info)
    return parser


def _hidden(text: str) -> list[int]:
    if text.strip().lower() == "none":
        return []
    try:
        units = [int(part) for part in text.split(",")]
    except ValueError:
        units = [0]
    if min(units) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of positive whole numbers such as 256,128, nor none"
        )
    return units


def _activation(name: str) -> str:
    try:
        nn.activations.get(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def _positive_float(text: str) -> float:
    value = files.to_number(text)
    if value is None or not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _fraction(text: str) -> float:
    value = files.to_number(text)
    if value is None or not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


# ---- train


def _train(args: argparse.Namespace) -> int:
    kind = files.kind_of(args.data)
    epochs, batch_size, rate = DEFAULTS[kind]
    args.epochs, args.batch_size = args.epochs or epochs, args.batch_size or batch_size
    args.learning_rate = args.learning_rate or rate
    for option, value, kinds in (
        ("--target", args.target, "csv"),
        ("--drop", args.drop, "csv"),
        ("--task", args.task, "csv npz"),
    ):
        if value and kind not in kinds.split():
            raise DataError(f"{option} is only for {' and '.join('.' + k for k in kinds.split())} files")
    out = args.out if args.out is not None else _default_out(args.data, kind)
    _check_writable(out, args.data)

    train, test, test_fraction = _training_tables(args, kind)
    task = "classification" if kind == "digits" else args.task or files.choose_task(train)
    recipe = files.make_recipe(train, task, pixels=16 if kind == "digits" else None)
    recipe.test_fraction = test_fraction
    x, y = recipe.transform(train.x), recipe.encode(train)
    x_test, y_test = recipe.transform(test.x), recipe.encode(test)
    del train  # the raw rows of a large file are as large as the scaled ones

    if args.threads is not None:
        nn.set_num_threads(args.threads)
    nn.utils.set_random_seed(args.seed)
    model = _build(recipe, args)
    _describe(args, recipe, model, len(x), len(x_test))

    interrupted = False
    start = time.perf_counter()
    try:
        model.fit(x, y, batch_size=args.batch_size, epochs=args.epochs)
    except KeyboardInterrupt:
        interrupted = True
    except (ValueError, ArithmeticError, MemoryError) as error:
        raise _TrainingError(f"{_line(error)}; nothing was written") from None
    seconds = time.perf_counter() - start

    # Saved before it is tested: a second Ctrl-C loses the figures only.
    _save(model, recipe, out)
    if interrupted:
        print("\ninterrupted: the model is as it was after the last whole batch")
    _report(recipe, model, x_test, y_test)
    if not interrupted:
        samples = len(x) * args.epochs
        print(f"speed          {samples / seconds:,.0f} samples/s ({samples:,} in {seconds:.2f} s)")
    print(f"weights        {out}")
    return 130 if interrupted else 0


def _default_out(data: str, kind: str) -> str:
    name = os.path.basename(data).lower()
    for end in (".gz", ".csv", ".npz"):
        name = name.removesuffix(end)
    return (name or kind) + ".safetensors"


def _check_writable(out: str, data: str) -> None:
    """Fail before the work is done, not after it."""
    if os.path.isdir(out) or not os.path.basename(out):
        raise DataError(f"--out {out}: is a folder; wanted is a file name")
    if os.path.exists(out) and not os.path.isfile(out):  # a device would be renamed away
        raise DataError(f"--out {out}: is not a regular file")
    if os.path.exists(data) and os.path.exists(out) and os.path.samefile(data, out):
        raise DataError(f"--out {out}: is the data itself")
    try:
        with tempfile.TemporaryFile(dir=os.path.dirname(out) or "."):
            pass
    except OSError as error:
        raise DataError(f"--out {out}: cannot be written: {error.strerror}") from None


def _training_tables(args: argparse.Namespace, kind: str) -> tuple[Table, Table, float | None]:
    """Return rows to train on, rows to test on, and the latter's fraction where they come from one table."""
    if kind == "npz":
        whole = files.read_npz(args.data, "x_train", "y_train")
        if {"x_test", "y_test"} & set(files.npz_keys(args.data)):
            if args.test_fraction is not None:
                raise DataError(f"--test-fraction: {args.data} has test rows of its own")
            test = files.read_npz(args.data, "x_test", "y_test")
            if test.x.shape[1] != whole.x.shape[1]:
                raise DataError(
                    f"{args.data}: x_train has {whole.x.shape[1]} values a row but x_test has {test.x.shape[1]}"
                )
            return whole, test, None
    elif kind == "csv":
        if args.target is None:
            names = files.read_header(args.data)
            raise DataError(f"{args.data}: --target is needed; the columns are {files.listed(names, 40)}")
        if args.target in args.drop:
            raise DataError(f"--drop: {args.target!r} is the target")
        whole = files.read_csv(args.data, args.target, args.drop)
    else:
        whole = files.digits_table()
    if len(whole.x) < MIN_ROWS:
        raise DataError(f"{args.data}: {len(whole.x)} rows are too few; wanted are at least {MIN_ROWS}")
    fraction = args.test_fraction or TEST_FRACTION
    train_rows, test_rows = files.hold_out(len(whole.x), fraction)
    return files.take(whole, train_rows), files.take(whole, test_rows), fraction


def _build(recipe: Recipe, args: argparse.Namespace) -> Any:
    outputs = len(recipe.classes) if recipe.task == "classification" else 1
    loss: Any = nn.losses.MeanSquaredError()
    metrics = []
    if recipe.task == "classification":
        loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
        metrics = ["accuracy"]
    try:
        hidden = [nn.layers.Dense(units, activation=args.activation) for units in args.hidden]
        model = nn.Sequential([nn.Input((recipe.inputs,)), *hidden, nn.layers.Dense(outputs)])
        optimizer = nn.optimizers.SGD(
            learning_rate=args.learning_rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        model.compile(optimizer=optimizer, loss=loss, metrics=metrics)
    except (ValueError, MemoryError, OverflowError) as error:
        raise DataError(f"the network cannot be built: {_line(error)}") from None
    return model


def _describe(args: argparse.Namespace, recipe: Recipe, model: Any, rows: int, test_rows: int) -> None:
    outputs = len(recipe.classes) if recipe.task == "classification" else 1
    answer = f"{outputs} classes" if recipe.task == "classification" else "1 number"
    print(
        f"data           {args.data}: {rows:,} training and {test_rows:,} test rows, {recipe.inputs:,} inputs, {answer}"
    )
    layers = "-".join(str(n) for n in [recipe.inputs, *args.hidden, outputs])
    activation = f", {args.activation}" if args.hidden else ""
    print(f"network        {layers}{activation}, {model.count_params():,} parameters")
    print(
        f"training       {args.epochs} epochs in batches of {args.batch_size}, "
        f"SGD(learning_rate={args.learning_rate:g}, momentum={MOMENTUM}, weight_decay={WEIGHT_DECAY})",
        flush=True,
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


# ---- evaluate, predict, info


def _evaluate(args: argparse.Namespace) -> int:
    model, recipe = _load(args.model, args.threads)
    kind = files.kind_of(args.data)
    if kind == "digits":
        table = files.digits_table()
        if recipe.test_fraction is not None:
            table = files.take(table, files.hold_out(len(table.x), recipe.test_fraction)[1])
    elif kind == "csv":
        table = _named_columns(args, recipe, recipe.target)
    else:
        ends = "_test" if "x_test" in files.npz_keys(args.data) else ""
        table = files.read_npz(args.data, "x" + ends, "y" + ends)
    _check_width(args, recipe, table)
    print(f"data           {args.data}: {len(table.x):,} rows")
    _report(recipe, model, recipe.transform(table.x), recipe.encode(table))
    return 0


def _predict(args: argparse.Namespace) -> int:
    model, recipe = _load(args.model, args.threads)
    kind = files.kind_of(args.data)
    if kind == "digits":
        table = files.digits_table()
    elif kind == "csv":
        table = _named_columns(args, recipe, None)
    else:
        table = files.read_npz(args.data, "x" if "x" in files.npz_keys(args.data) else "x_test")
    _check_width(args, recipe, table)
    if args.out is not None:
        _check_writable(args.out, args.data)
    y = model.predict(recipe.transform(table.x))
    with _output(args.out) as file:
        writer = csv.writer(file, lineterminator="\n")
        if recipe.task == "regression":
            writer.writerow(["prediction"])
            values = y[:, 0].astype(np.float64) * recipe.target_scale + recipe.target_shift
            writer.writerows([f"{value:.7g}"] for value in values)
        else:
            writer.writerow(["prediction", "probability"])
            best = y.argmax(axis=1)
            probability = nn.kernels.softmax(y)[np.arange(len(y)), best]
            writer.writerows([recipe.classes[i], f"{p:.4f}"] for i, p in zip(best, probability, strict=True))
    return 0


@contextlib.contextmanager
def _output(path: str | None) -> Iterator[Any]:
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise DataError(f"--out {path}: cannot be written: {error.strerror}") from None


def _info(args: argparse.Namespace) -> int:
    nn.show_config()
    return 0


def _named_columns(args: argparse.Namespace, recipe: Recipe, target: str | None) -> Table:
    if recipe.features is None:
        raise DataError(
            f"{args.data}: {args.model} was not trained on a .csv and knows no column names; wanted is a .npz"
        )
    return files.read_csv(args.data, target, features=recipe.features)


def _check_width(args: argparse.Namespace, recipe: Recipe, table: Table) -> None:
    if table.x.shape[1] != recipe.inputs:
        raise DataError(
            f"{args.data}: {table.x.shape[1]:,} values a row, but {args.model} takes {recipe.inputs:,}"
        )


def _report(recipe: Recipe, model: Any, x: NDArray[np.float32], y: NDArray[Any]) -> None:
    """Print the test's figure: accuracy, or the error in the target's own unit."""
    if recipe.task == "classification":
        accuracy = model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"]
        print(f"test accuracy  {accuracy:.4f} ({round(accuracy * len(x)):,} of {len(x):,})")
        return
    error = (model.predict(x).astype(np.float64) - y) * recipe.target_scale
    spread = (y.astype(np.float64) * recipe.target_scale).std()
    print(
        f"test RMSE      {np.sqrt((error**2).mean()):.6g} (the target's standard deviation is {spread:.6g})"
    )


# ---- model files


def _save(model: Any, recipe: Recipe, path: str) -> None:
    """Write the model with the recipe in its metadata."""
    try:
        model.save(path, metadata={RECIPE_KEY: recipe.to_json()})
    except OSError as error:
        raise _TrainingError(_line(error)) from None


def _load(path: str, threads: int | None) -> tuple[Any, Recipe]:
    """Return the model and the recipe of a file that `nncore train` wrote."""
    try:
        text = load_weights_file(path)[1].get(RECIPE_KEY)
        if text is None:
            raise DataError(
                f"{path}: not written by nncore train: it does not say how to scale inputs; use nn.load_model"
            )
        model = nn.load_model(path)
        recipe = Recipe.from_json(text)
    except DataError:
        raise
    except (OSError, ValueError, MemoryError) as error:
        raise DataError(_line(error)) from None
    if threads is not None:
        nn.set_num_threads(threads)
    return model, recipe
