"""The `nncore` command, as a user meets it: what it prints, what it writes, and one line for each mistake."""

import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import nncore as nn
from nncore import cli
from nncore.data import _files, load_digits
from nncore.data._files import DataError, Recipe, Table
from nncore.io import load_weights_file

RNG = np.random.default_rng(3)

slow_in_debug = pytest.mark.skipif(nn.config_info()["debug"], reason="the debug build trains 200 times slower")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder, and threads and seed as they were."""
    monkeypatch.chdir(tmp_path)
    threads = nn.get_num_threads()
    yield tmp_path
    nn.set_num_threads(threads)


def run(capsys, *arguments, code=0):
    """Standard output and error of a command that must end in `code`."""
    assert cli.main([str(argument) for argument in arguments]) == code, capsys.readouterr()
    return capsys.readouterr()


def fails(capsys, *arguments, code=2):
    """The one line on the standard error of a command that must fail, without any other output."""
    out, err = run(capsys, *arguments, code=code)
    assert err.count("\n") == 1 and err.startswith("nncore") and "Traceback" not in err
    return err


def write_csv(path, header, rows):
    text = "\n".join([",".join(header), *(",".join(str(cell) for cell in row) for row in rows)]) + "\n"
    if str(path).endswith(".gz"):
        with gzip.open(path, "wt") as file:
            file.write(text)
    else:
        Path(path).write_text(text)


def classes_csv(path="classes.csv", rows=300, names=("no", "yes")):
    """Two columns of very different size, and a class that follows from them."""
    x = RNG.normal(size=(rows, 2)) * [1, 1000] + [0, 5000]
    label = (x[:, 0] + (x[:, 1] - 5000) / 1000 > 0).astype(int)
    write_csv(path, ["a", "b", "label"], [(*row, names[i]) for row, i in zip(x, label, strict=True)])


def numbers_csv(path="numbers.csv", rows=300):
    x = RNG.normal(size=(rows, 2))
    y = 1000 + 50 * x[:, 0] - 20 * x[:, 1]
    write_csv(path, ["a", "b", "y"], [(*row, value) for row, value in zip(x, y, strict=True)])


def accuracy(out):
    (line,) = [line for line in out.splitlines() if line.startswith("test accuracy")]
    return float(line.split()[2])


# ---- the main job


def test_train_digits(capsys):
    out, err = run(capsys, "train", "digits")
    assert err == ""
    assert accuracy(out) >= 0.97
    assert "1,438 training and 359 test rows, 64 inputs, 10 classes" in out
    assert "64-256-128-10, relu, 50,826 parameters" in out
    assert "samples/s (43,140 in" in out
    assert out.splitlines()[-1].split() == ["weights", "digits.safetensors"]
    assert nn.load_model("digits.safetensors").count_params() == 50_826


@slow_in_debug
@pytest.mark.parametrize("seed", range(1, 5))
def test_digits_reach_the_goal_for_other_seeds(capsys, seed):
    assert accuracy(run(capsys, "train", "digits", "--seed", seed).out) >= 0.97


def test_same_seed_same_bytes_whatever_the_threads(capsys):
    def weights(name, *options):
        run(capsys, "train", "digits", "--epochs", 2, "--out", name, *options)
        return {key: value.tobytes() for key, value in load_weights_file(name)[0].items()}

    first = weights("a.safetensors", "--seed", 7, "--threads", 1)
    assert weights("b.safetensors", "--seed", 7, "--threads", 2) == first
    assert weights("c.safetensors", "--seed", 8) != first


def test_evaluate_digits_tests_on_the_same_rows(capsys):
    trained = run(capsys, "train", "digits", "--epochs", 3).out
    tested = run(capsys, "evaluate", "digits.safetensors", "digits").out
    assert accuracy(tested) == accuracy(trained) and "359 rows" in tested
    trained = run(capsys, "train", "digits", "--epochs", 3, "--test-fraction", 0.5).out
    tested = run(capsys, "evaluate", "digits.safetensors", "digits").out
    assert accuracy(tested) == accuracy(trained) and "898 rows" in tested


def test_predict_digits(capsys):
    run(capsys, "train", "digits")
    lines = run(capsys, "predict", "digits.safetensors", "digits").out.splitlines()
    assert lines[0] == "prediction,probability" and len(lines) == 1798
    predicted = np.array([line.split(",") for line in lines[1:]], dtype=float)
    assert (predicted[:, 0] == load_digits()[1]).mean() > 0.98
    assert (predicted[:, 1] <= 1).all() and predicted[:, 1].mean() > 0.98
    assert run(capsys, "predict", "digits.safetensors", "digits", "--out", "p.csv").out == ""
    assert Path("p.csv").read_text().splitlines() == lines


def test_options_are_honoured(capsys):
    options = "--hidden 7,5 --activation tanh --epochs 2 --batch-size 100 --learning-rate 0.25".split()
    options += ["--out", "m.safetensors"]
    out = run(capsys, "train", "digits", *options).out
    assert "64-7-5-10, tanh" in out
    assert "2 epochs in batches of 100, SGD(learning_rate=0.25, momentum=0.9, weight_decay=0.001)" in out
    assert out.count("Epoch ") == 2 and os.listdir() == ["m.safetensors"]
    model = nn.load_model("m.safetensors")
    assert [layer.units for layer in model.layers] == [7, 5, 10]
    assert model.layers[0].activation.name == "tanh" and model.optimizer.iterations == 2 * 15
    assert "64-10, 650 parameters" in run(capsys, "train", "digits", "--hidden", "none", "--epochs", 1).out


def test_threads_are_set(capsys):
    run(capsys, "train", "digits", "--epochs", 1, "--threads", 1)
    assert nn.get_num_threads() == 1


def test_version_info_help(capsys):
    assert run(capsys, "--version").out == f"nncore {nn.__version__}\n"
    info = run(capsys, "info").out
    for word in (nn.__version__, np.__version__, "isa", "threads", "compiler"):
        assert word.lower() in info.lower()
    text = " ".join(run(capsys, "train", "--help").out.split())
    for words in ("(default: 256,128)", "(default: relu)", "30 for digits", "0.1 for digits", "exit codes"):
        assert words in text
    for command in ("evaluate", "predict", "info"):
        assert "usage: nncore " + command in run(capsys, command, "--help").out
    assert "command" in fails(capsys).lower()
    assert "frobnicate" in fails(capsys, "frobnicate")


def test_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-P", "-m", "nncore", "--version"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == f"nncore {nn.__version__}\n"


# ---- .csv


@pytest.mark.parametrize("path", ["data.csv", "data.csv.gz"])
def test_csv_classes(capsys, path):
    classes_csv(path)
    out = run(capsys, "train", path, "--target", "label").out
    assert accuracy(out) > 0.9 and "240 training and 60 test rows, 2 inputs, 2 classes" in out
    assert "data.safetensors" in out.splitlines()[-1]
    assert accuracy(run(capsys, "evaluate", "data.safetensors", path).out) > 0.9
    lines = run(capsys, "predict", "data.safetensors", path).out.splitlines()
    assert {line.split(",")[0] for line in lines[1:]} == {"no", "yes"} and len(lines) == 301


def test_csv_whole_numbers_are_classes_and_keep_their_names(capsys):
    classes_csv(names=("3", "12"))
    run(capsys, "train", "classes.csv", "--target", "label", "--epochs", 3)
    lines = run(capsys, "predict", "classes.safetensors", "classes.csv").out.splitlines()
    assert {line.split(",")[0] for line in lines[1:]} == {"3", "12"}


def test_csv_numbers_are_predicted_in_their_own_unit(capsys):
    numbers_csv()
    out = run(capsys, "train", "numbers.csv", "--target", "y").out
    assert "1 number" in out
    (line,) = [line for line in out.splitlines() if line.startswith("test RMSE")]
    assert float(line.split()[2]) < 10
    lines = run(capsys, "predict", "numbers.safetensors", "numbers.csv").out.splitlines()
    truth = np.loadtxt("numbers.csv", delimiter=",", skiprows=1)[:, 2]
    assert np.abs(np.array(lines[1:], float) - truth).mean() < 10
    assert "test RMSE" in run(capsys, "evaluate", "numbers.safetensors", "numbers.csv").out


def test_columns_are_found_by_name_not_by_place(capsys):
    classes_csv()
    run(capsys, "train", "classes.csv", "--target", "label")
    rows = [line.split(",") for line in Path("classes.csv").read_text().splitlines()[1:]]
    write_csv("turned.csv", ["label", "text", "b", "a"], [(label, "x", b, a) for a, b, label in rows])
    first = run(capsys, "predict", "classes.safetensors", "classes.csv").out
    assert run(capsys, "predict", "classes.safetensors", "turned.csv").out == first
    assert "no column 'b'" in fails(capsys, "predict", "classes.safetensors", _csv("x.csv", "a,c", "1,2"))


def test_task_can_be_forced(capsys):
    rows = [(i % 7, i % 5) for i in range(100)]
    write_csv("a.csv", ["a", "y"], rows)
    assert "5 classes" in run(capsys, "train", "a.csv", "--target", "y", "--epochs", 1).out
    assert (
        "1 number"
        in run(capsys, "train", "a.csv", "--target", "y", "--epochs", 1, "--task", "regression").out
    )
    write_csv("b.csv", ["a", "y"], [(a, y / 2) for a, y in rows])
    assert "1 number" in run(capsys, "train", "b.csv", "--target", "y", "--epochs", 1).out
    out = run(capsys, "train", "b.csv", "--target", "y", "--epochs", 1, "--task", "classification").out
    assert "5 classes" in out


def test_the_model_is_not_shown_the_test_rows():
    train, test = _files.hold_out(1000, 0.2)
    assert len(train) == 800 and len(test) == 200 and not set(train) & set(test)
    assert (
        np.ptp(test) > 900
        and _files.hold_out(10, 0.01)[1].size == 1
        and _files.hold_out(10, 0.99)[0].size == 1
    )
    assert (_files.hold_out(1000, 0.2)[1] == test).all()


def test_scaling_is_learnt_from_training_rows_and_undone():
    x = np.array([[1.0, 5.0], [3.0, 5.0]])
    recipe = _files.make_recipe(Table(x, np.array([10.0, 30.0]), "t", ["a", "b"], "y"), "regression")
    assert recipe.transform(x).tolist() == [[-1, 0], [1, 0]] and recipe.transform(x).dtype == np.float32
    assert recipe.encode(Table(x, np.array([40.0, 20.0]), "t")).tolist() == [[2], [0]]
    assert Recipe.from_json(recipe.to_json()) == recipe
    for text in ("", "[]", "{}", "null", recipe.to_json().replace("regression", "guessing"), '{"task": 1}'):
        with pytest.raises(DataError):
            Recipe.from_json(text)


def test_uint8_images_become_0_to_1_and_floats_are_standardised():
    images = np.array([[0, 255], [51, 102]], np.uint8)
    recipe = _files.make_recipe(Table(images, np.array([0, 1]), "t"), "classification")
    assert recipe.transform(images) == pytest.approx(np.array([[0, 1], [0.2, 0.4]]))
    recipe = _files.make_recipe(Table(images.astype(float), np.array([0, 1]), "t"), "classification")
    assert recipe.transform(images).tolist() == [[-1, 1], [1, -1]]


def test_separators_blank_lines_quotes_and_byte_order_mark():
    for separator in ",;\t":
        text = f'\ufeffa{separator}"b {separator} c"\r\n\r\n1{separator}"2"\r\n 3 {separator}4e1'
        Path("t.csv").write_bytes(text.encode())
        table = _files.read_csv("t.csv")
        assert table.features == ["a", f"b {separator} c"] and table.x.tolist() == [[1, 2], [3, 40]]


def test_more_rows_than_a_chunk(monkeypatch):
    monkeypatch.setattr(_files, "CHUNK", 4)
    write_csv("t.csv", ["a", "b"], [(i, -i) for i in range(10)])
    assert _files.read_csv("t.csv", "b").x[:, 0].tolist() == list(range(10))
    write_csv("t.csv", ["a", "b"], [(i, "" if i == 9 else 1) for i in range(10)])
    with pytest.raises(DataError, match=r"row 10 \(line 11\), column 'b'"):
        _files.read_csv("t.csv")


# ---- .npz


def npz(path="d.npz", rows=64, **changes):
    """A small file in the layout of Keras's MNIST; `None` leaves an array out."""
    x = RNG.integers(0, 256, (rows, 4, 3), dtype=np.uint8)
    y = (x[:, 0, 0] > 127).astype(np.uint8)
    arrays = {"x_train": x, "y_train": y, "x_test": x[:20], "y_test": y[:20], **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_npz_with_test_rows(capsys):
    out = run(capsys, "train", npz(), "--epochs", 2).out
    assert "64 training and 20 test rows, 12 inputs, 2 classes" in out
    assert "20 rows" in run(capsys, "evaluate", "d.safetensors", "d.npz").out
    assert run(capsys, "predict", "d.safetensors", "d.npz").out.count("\n") == 21
    np.savez("new.npz", x=np.zeros((5, 12), np.uint8), y=np.zeros(5, int))
    assert "5 rows" in run(capsys, "evaluate", "d.safetensors", "new.npz").out
    assert run(capsys, "predict", "d.safetensors", "new.npz").out.count("\n") == 6


def test_npz_without_test_rows_holds_a_fifth_out(capsys):
    out = run(capsys, "train", npz(x_test=None, y_test=None), "--epochs", 1).out
    assert "51 training and 13 test rows" in out


def test_npz_of_float_targets_is_regression(capsys):
    x = RNG.normal(size=(50, 3))
    np.savez("r.npz", x_train=x, y_train=x.sum(axis=1))
    assert "test RMSE" in run(capsys, "train", "r.npz").out
    out = run(capsys, "train", npz("i.npz"), "--epochs", 1, "--task", "regression").out
    assert "1 number" in out


def shared_data(name):
    """A real data set from NNCORE_TEST_DATA or the folder shared/data beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("NNCORE_TEST_DATA", beside)) / name
    if not path.exists():
        pytest.skip(f"no {name}")
    return path


@slow_in_debug
def test_mnist(capsys):
    assert accuracy(run(capsys, "train", shared_data("mnist.npz")).out) >= 0.975


def test_california_housing(capsys):
    path = shared_data("california_housing.csv.gz")
    line = fails(capsys, "train", path, "--target", "median_house_value")
    assert "'ocean_proximity' is not numeric" in line and "'NEAR BAY'" in line
    line = fails(capsys, "train", path, "--target", "median_house_value", "--drop", "ocean_proximity")
    assert "row 291 (line 292), column 'total_bedrooms': missing value" in line
    drop = ["--drop", "ocean_proximity,total_bedrooms", "--epochs", "3"]
    out = run(capsys, "train", path, "--target", "median_house_value", *drop).out
    (line,) = [line for line in out.splitlines() if line.startswith("test RMSE")]
    assert float(line.split()[2]) < 70_000


# ---- mistakes


def _csv(path, *lines):
    Path(path).write_text("\n".join(lines) + "\n")
    return path


GOOD = ["a,b,y"] + [f"{i},{i * i % 7},{i % 2}" for i in range(40)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--hidden x", "--hidden: 'x' is not a list"),
        ("--hidden 10,", "--hidden: '10,'"),
        ("--hidden 10,0", "--hidden: '10,0'"),
        ("--hidden -5", "--hidden"),
        ("--hidden 1000000000000", "1000000000000"),
        ("--activation rellu", "did you mean 'relu'"),
        ("--activation 1", "unknown activation '1'"),
        ("--epochs 0", "--epochs: '0' is not a whole number of at least 1"),
        ("--epochs 1.5", "--epochs: '1.5'"),
        ("--batch-size 0", "--batch-size: '0'"),
        ("--batch-size many", "--batch-size: 'many'"),
        ("--learning-rate -1", "--learning-rate"),
        ("--learning-rate=-1", "--learning-rate: '-1' is not a number above 0"),
        ("--learning-rate nan", "--learning-rate: 'nan'"),
        ("--learning-rate 0", "--learning-rate: '0'"),
        ("--seed -1", "--seed"),
        ("--seed 4294967296", "--seed: '4294967296'"),
        ("--threads 0", "--threads: '0'"),
        ("--test-fraction 1", "--test-fraction: '1'"),
        ("--test-fraction x", "--test-fraction: 'x'"),
        ("--target y", "--target is only for .csv"),
        ("--drop y", "--drop is only for .csv"),
        ("--task regression", "--task is only for .csv and .npz"),
        ("--task guess", "--task: invalid choice: 'guess'"),
        (
            "--out no/such/folder/m.safetensors",
            "--out no/such/folder/m.safetensors: cannot be written: No such file",
        ),
        ("--out .", "--out .: is a folder"),
        ("--out m/", "is a folder"),
        ("--out /dev/null", "is not a regular file"),
        ("--epoch 3", "unrecognized arguments: --epoch 3"),
        ("--frobnicate", "--frobnicate"),
    ],
)
def test_bad_options(capsys, arguments, words):
    assert words in fails(capsys, "train", "digits", *arguments.split())
    assert os.listdir() == []


def broken_gz(path):
    data = gzip.compress("\n".join(GOOD * 50).encode())
    Path(path).write_bytes(data[: len(data) // 2])


def broken_npz(path):
    npz(path)
    Path(path).write_bytes(Path(path).read_bytes()[:-200])


def flipped_npz(path):
    np.savez_compressed(
        path, x_train=RNG.integers(0, 256, (200, 9), dtype=np.uint8), y_train=np.arange(200) % 2
    )
    data = bytearray(Path(path).read_bytes())
    data[300] ^= 0xFF
    Path(path).write_bytes(data)


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("missing.csv", None, "missing.csv: no such file"),
        ("missing.npz", None, "missing.npz: no such file"),
        ("digit", None, "digit: no such file"),
        ("model.pkl", lambda p: Path(p).write_text("x"), "unknown kind of file"),
        ("folder.csv", os.mkdir, "folder.csv: is a directory"),
        ("empty.csv", lambda p: Path(p).write_text(""), "no header"),
        ("numbers.csv", lambda p: _csv(p, *GOOD[1:]), "no header: the first line holds only numbers"),
        ("only.csv", lambda p: _csv(p, "a,b,y"), "no rows below the header"),
        ("few.csv", lambda p: _csv(p, *GOOD[:5]), "4 rows are too few"),
        ("twice.csv", lambda p: _csv(p, "a,y,a", "1,2,3"), "column 'a' appears more than once"),
        ("other.csv", lambda p: _csv(p, "a,b", "1,2"), "no column 'y'; the columns are 'a', 'b'"),
        ("alone.csv", lambda p: _csv(p, "y", "1"), "no columns are left as inputs"),
        (
            "text.csv",
            lambda p: _csv(p, *GOOD, "1,red,0"),
            "column 'b' is not numeric: row 41 (line 42) holds 'red'",
        ),
        ("hole.csv", lambda p: _csv(p, *GOOD, "1,,0"), "row 41 (line 42), column 'b': missing value ''"),
        ("nan.csv", lambda p: _csv(p, *GOOD, "nan,1,0"), "row 41 (line 42), column 'a': missing value 'nan'"),
        ("inf.csv", lambda p: _csv(p, *GOOD, "inf,1,0"), "row 41 (line 42), column 'a': inf is not finite"),
        ("target.csv", lambda p: _csv(p, *GOOD, "1,1,"), "row 41 (line 42), column 'y': missing value ''"),
        ("infy.csv", lambda p: _csv(p, *GOOD, "1,1,-inf"), "column 'y': -inf is not finite"),
        ("short.csv", lambda p: _csv(p, *GOOD, "1,2"), "line 42: 2 cells, but the header names 3 columns"),
        ("long.csv", lambda p: _csv(p, *GOOD, "1,2,3,4"), "line 42: 4 cells"),
        ("one.csv", lambda p: _csv(p, "a,y", *["1,no"] * 20), "only one class, 'no'"),
        ("ids.csv", lambda p: _csv(p, "a,y", *[f"1,n{i}" for i in range(40)]), "too many for classes"),
        ("same.csv", lambda p: _csv(p, "a,y", *["1,0.5"] * 20), "the same value in all 16 training rows"),
        (
            "large.csv",
            lambda p: _csv(p, "a,y", *[f"1e300,{i}" for i in range(40)]),
            "too large to standardise",
        ),
        ("latin.csv", lambda p: Path(p).write_bytes(b"a,y\n\xe9,1\n"), "not UTF-8 text"),
        ("nul.csv", lambda p: Path(p).write_bytes(b"a,y\n1\x00,1\n"), "nul.csv"),
        ("broken.csv.gz", broken_gz, "damaged or cut short"),
        ("plain.csv.gz", lambda p: _csv(p, *GOOD), "damaged or cut short"),
        ("broken.npz", broken_npz, "not an .npz file, or cut short"),
        ("flipped.npz", flipped_npz, "flipped.npz: "),
        ("text.npz", lambda p: Path(p).write_text("hello"), "not an .npz file"),
        ("keys.npz", lambda p: np.savez(p, a=np.zeros(3)), "no array 'x_train'; the file holds 'a'"),
        ("halftest.npz", lambda p: npz(p, y_test=None), "no array 'y_test'"),
        ("rows.npz", lambda p: npz(p, y_train=np.zeros(5, int)), "x_train has 64 rows but y_train has 5"),
        (
            "width.npz",
            lambda p: npz(p, x_test=np.zeros((20, 7))),
            "x_train has 12 values a row but x_test has 7",
        ),
        ("flat.npz", lambda p: npz(p, x_train=np.zeros(64)), "x_train is float64 of shape (64,)"),
        ("complex.npz", lambda p: npz(p, x_train=np.zeros((64, 12), complex)), "x_train is complex128"),
        ("nan.npz", lambda p: npz(p, x_train=np.full((64, 12), np.nan)), "x_train: row 1, column 1 is nan"),
        ("nany.npz", lambda p: npz(p, y_train=np.full(64, np.nan)), "y_train: row 1 is nan"),
        (
            "new.npz",
            lambda p: npz(p, y_test=np.full(20, 9)),
            "class '9' is not among those trained on: '0', '1'",
        ),
        ("none.npz", lambda p: npz(p, x_train=np.zeros((0, 12)), y_train=np.zeros(0)), "x_train is empty"),
        ("object.npz", lambda p: npz(p, x_train=np.array([[{}]] * 64, object)), "object.npz: cannot be read"),
    ],
)
def test_bad_files(capsys, name, make, words):
    if make is not None:
        make(name)
    options = ["--target", "y"] if ".csv" in name else []
    assert words in fails(capsys, "train", name, *options)
    assert not Path(name.split(".")[0] + ".safetensors").exists()


def test_missing_target_lists_the_columns(capsys):
    assert "--target is needed; the columns are 'a', 'b', 'y'" in fails(capsys, "train", _csv("a.csv", *GOOD))


def test_bad_combinations(capsys):
    _csv("a.csv", *GOOD)
    assert "--drop: 'y' is the target" in fails(capsys, "train", "a.csv", "--target", "y", "--drop", "y")
    assert "no column 'z'" in fails(capsys, "train", "a.csv", "--target", "y", "--drop", "z")
    assert "is the data itself" in fails(capsys, "train", "a.csv", "--target", "y", "--out", "a.csv")
    assert "has test rows of its own" in fails(capsys, "train", npz(), "--test-fraction", "0.3")
    assert "--target is only for .csv" in fails(capsys, "train", "d.npz", "--target", "y")
    _csv("b.csv", *GOOD[:20], "1,2,maybe", *GOOD[20:])
    line = fails(capsys, "train", "b.csv", "--target", "y", "--task", "regression")
    assert "target 'y' is 'maybe', not a number" in line


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a folder that refuses writing")
def test_unwritable_folder(capsys, folder):
    (folder / "locked").mkdir(mode=0o500)
    assert "cannot be written: Permission denied" in fails(
        capsys, "train", "digits", "--out", "locked/m.safetensors"
    )


def test_bad_models(capsys):
    assert "no such file" in fails(capsys, "evaluate", "missing.safetensors", "digits").replace(
        "there is ", ""
    )
    Path("junk.safetensors").write_text("junk")
    assert "junk.safetensors" in fails(capsys, "predict", "junk.safetensors", "digits")
    nn.Sequential([nn.Input((64,)), nn.layers.Dense(10)]).save("own.safetensors")
    assert "not written by nncore train" in fails(capsys, "evaluate", "own.safetensors", "digits")
    run(capsys, "train", "digits", "--epochs", 1)
    _csv("a.csv", *GOOD)
    assert "was not trained on a .csv" in fails(capsys, "predict", "digits.safetensors", "a.csv")
    assert "12 values a row, but digits.safetensors takes 64" in fails(
        capsys, "evaluate", "digits.safetensors", npz()
    )
    np.savez("e.npz", x=np.zeros((5, 64)))
    assert "is the data itself" in fails(capsys, "predict", "digits.safetensors", "e.npz", "--out", "e.npz")


def test_a_loss_that_grows_without_bound_is_reported(capsys):
    out, err = run(capsys, "train", "digits", "--learning-rate", "1e30", code=1)
    assert err.count("\n") == 1 and "nothing was written" in err
    assert os.listdir() == []


# ---- interruption


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_writes_what_is_there():
    command = [
        sys.executable,
        "-P",
        "-u",
        "-m",
        "nncore",
        "train",
        "digits",
        "--epochs",
        "1000000",
        "--out",
        "m.safetensors",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while not process.stdout.readline().startswith("Epoch 3/"):
            pass
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert time.monotonic() - start < 10
    assert err == "" and "interrupted" in out and out.splitlines()[-1].split() == ["weights", "m.safetensors"]
    assert accuracy(out) > 0.5
    assert cli.main(["evaluate", "m.safetensors", "digits"]) == 0


@pytest.mark.skipif(os.name != "posix", reason="needs head")
def test_a_reader_that_stops_early_is_no_error(capsys):
    run(capsys, "train", "digits", "--epochs", 1)
    command = f"{sys.executable} -P -m nncore predict digits.safetensors digits | head -n 2"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("prediction,probability\n") and done.stderr == ""
