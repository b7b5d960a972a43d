"""The digits in the package."""

import hashlib
import importlib.resources
import zipfile

import numpy as np

from nncore.data import load_digits

# Of the raw uint8 values, as nncore/data/README.md states them: a changed file cannot pass for the published
# one.
SHA256 = {
    "x": "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3",
    "y": "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
}


def packaged():
    return importlib.resources.files("nncore.data").joinpath("digits.npz")


def test_shapes_and_ranges():
    x, y = load_digits()
    assert x.shape == (1797, 64) and x.dtype == np.uint8
    assert y.shape == (1797,) and y.dtype == np.uint8
    assert x.min() == 0 and x.max() == 16
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_values_are_the_published_ones():
    x, y = load_digits()
    assert hashlib.sha256(x.tobytes()).hexdigest() == SHA256["x"]
    assert hashlib.sha256(y.tobytes()).hexdigest() == SHA256["y"]
    readme = importlib.resources.files("nncore.data").joinpath("README.md").read_text(encoding="utf-8")
    assert SHA256["x"] in readme and SHA256["y"] in readme and "CC BY 4.0" in readme


def test_images_lie_row_by_row():
    x, y = load_digits()
    image = x[0].reshape(8, 8)
    assert y[0] == 0
    assert image[0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert (image[:, 0] == 0).all() and (image[2:6, 3] < image[2:6, 2]).all()  # a zero is empty in the middle


def test_each_call_gives_arrays_of_its_own():
    load_digits()[0][...] = 0
    assert load_digits()[0].max() == 16


def test_file_is_small_and_made_the_same_way_each_time():
    with packaged().open("rb") as file:
        assert len(file.read()) < 100_000
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    assert [entry.filename for entry in entries] == ["x.npy", "y.npy"]
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
