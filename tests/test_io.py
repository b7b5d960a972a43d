"""Weights files: what is written comes back, and whatever happens the old file survives."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from nncore import io
from nncore.io import safetensors as module

OLD = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
NEW = {"w": np.ones((4, 5)), "b": np.zeros(3, np.float32)}


@pytest.fixture
def path(tmp_path):
    """A file with the old weights, alone in its directory."""
    io.save_weights_file(tmp_path / "m.safetensors", OLD, {"version": "old"})
    return tmp_path / "m.safetensors"


def assert_old(path):
    """The old file is whole and nothing else lies beside it."""
    arrays, metadata = io.load_weights_file(path)
    assert np.array_equal(arrays["w"], OLD["w"]) and metadata == {"version": "old"}
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(24.0, dtype=np.float32).reshape(4, 6)[::2, ::-3],
        np.arange(6, dtype=">f8").reshape(3, 2),
        np.arange(6, dtype=np.int64),
        np.array([True, False]),
        np.array(2.5),
        np.zeros((0, 3)),
        np.array([np.nan, np.inf, -0.0, 5e-324]),
        np.broadcast_to(np.float32(3), (2, 2)),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}-{array.strides}",
)
def test_round_trip(tmp_path, array):
    path = tmp_path / "a.safetensors"
    io.save_weights_file(path, {"a": array})
    arrays, metadata = io.load_weights_file(str(path))
    back = arrays["a"]
    assert metadata == {}
    assert back.shape == array.shape and back.dtype == array.dtype.newbyteorder("=")
    assert back.tobytes() == np.ascontiguousarray(array, back.dtype).tobytes()
    assert back.flags.writeable


def test_many_arrays_and_metadata(tmp_path):
    path = tmp_path / "name with spaces ä.safetensors"
    texts = {"format": "nncore", "config": '{"layers": []}', "ä": "漢字\n"}
    io.save_weights_file(path, NEW, texts)
    arrays, metadata = io.load_weights_file(path)
    assert metadata == texts
    assert arrays.keys() == NEW.keys() and all(np.array_equal(arrays[name], NEW[name]) for name in NEW)
    # It is an ordinary safetensors file.
    assert np.array_equal(safetensors.numpy.load_file(path)["w"], NEW["w"])


def test_a_new_file_replaces_the_old(path):
    io.save_weights_file(path, NEW)
    assert io.load_weights_file(path)[0].keys() == NEW.keys()
    assert os.listdir(path.parent) == [path.name]


def test_permissions_stay_and_new_files_follow_the_umask(path):
    umask = os.umask(0o027)
    try:
        io.save_weights_file(path.with_name("new.safetensors"), NEW)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.with_name("new.safetensors").stat().st_mode) == 0o640
    path.chmod(0o604)
    io.save_weights_file(path, NEW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_link_stays_a_link(path):
    link = path.with_name("link.safetensors")
    link.symlink_to(path.name)
    io.save_weights_file(link, NEW)
    assert link.is_symlink() and io.load_weights_file(path)[0].keys() == NEW.keys()


def test_a_path_relative_to_the_current_directory(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    io.save_weights_file("m.safetensors", NEW)
    assert io.load_weights_file("m.safetensors")[0].keys() == NEW.keys()


@pytest.mark.parametrize("function", ["replace", "fsync", "chmod"])
def test_an_error_leaves_the_old_file(path, monkeypatch, function):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, function, full)
    with pytest.raises(OSError, match="cannot save '.*m.safetensors': No space left on device"):
        io.save_weights_file(path, NEW)
    monkeypatch.undo()
    assert_old(path)


def test_an_error_while_writing_leaves_the_old_file(path, monkeypatch):
    def half(arrays, filename, metadata):
        Path(filename).write_bytes(b"half")
        raise safetensors.SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr(safetensors.numpy, "save_file", half)
    with pytest.raises(OSError, match="cannot save '.*': I/O error: No space left on device"):
        io.save_weights_file(path, NEW)
    assert_old(path)


def test_ctrl_c_while_writing_leaves_the_old_file(path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        io.save_weights_file(path, NEW)
    assert_old(path)


def test_everything_is_flushed_before_and_after_the_rename(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor):
        calls.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_replace(source, destination):
        calls.append("rename")
        assert os.path.dirname(source) == os.path.dirname(destination)
        replace(source, destination)

    monkeypatch.setattr(module.os, "fsync", noted_fsync)
    monkeypatch.setattr(module.os, "replace", noted_replace)
    io.save_weights_file(path, NEW)
    assert calls == ["file", "rename", "directory"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_killed_process_leaves_the_old_file(path, moment):
    script = f"""
        import os, signal, sys
        import numpy as np
        from nncore.io import safetensors as module
        setattr(module.os, {moment!r}, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        module.save_weights_file(sys.argv[1], {{"w": np.ones((500, 500))}})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    arrays, metadata = io.load_weights_file(path)
    assert np.array_equal(arrays["w"], OLD["w"]) and metadata == {"version": "old"}
    # The next save is not disturbed by what the dead process left.
    io.save_weights_file(path, NEW)
    assert io.load_weights_file(path)[0].keys() == NEW.keys()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "HeaderTooSmall|header"),
        (b"short", "header"),
        (b"PK\x03\x04 a zip file, as .keras is one, with enough bytes", "header"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "header"),
        (b"\x10" + bytes(7) + b"not json at all!", "header"),
        (bytes(1000), "header"),
    ],
)
def test_foreign_files(tmp_path, content, said):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match="cannot load '.*foreign.safetensors': it is damaged or not a safetensors file"
    ) as e:
        io.load_weights_file(path)
    assert any(word.lower() in str(e.value).lower() for word in said.split("|"))


@pytest.mark.parametrize("keep", [1, 7, 8, 9, 60, -1])
def test_cut_files(path, keep):
    content = path.read_bytes()
    path.write_bytes(content[:keep])
    with pytest.raises(ValueError, match="cannot load '.*m.safetensors': it is damaged"):
        io.load_weights_file(path)


def test_every_damaged_header_byte_is_an_error_or_another_file_but_never_a_crash(path):
    content = path.read_bytes()
    for position in range(len(content) - OLD["w"].nbytes):
        for value in (0, 255, content[position] ^ 1):
            path.write_bytes(content[:position] + bytes([value]) + content[position + 1 :])
            try:
                io.load_weights_file(path)
            except ValueError as error:
                assert str(error).startswith(f"cannot load {str(path)!r}: it is damaged")


def test_dtypes_that_numpy_lacks(tmp_path):
    header = b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    (tmp_path / "b.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(ValueError, match="not a safetensors file of NumPy's dtypes"):
        io.load_weights_file(tmp_path / "b.safetensors")


def test_missing_files_and_directories(tmp_path):
    with pytest.raises(FileNotFoundError, match="cannot load '.*none.safetensors': there is no such file"):
        io.load_weights_file(tmp_path / "none.safetensors")
    with pytest.raises(IsADirectoryError, match="cannot load '.*': it is a directory"):
        io.load_weights_file(tmp_path)
    with pytest.raises(OSError, match="cannot save '.*none/m.safetensors'"):
        io.save_weights_file(tmp_path / "none" / "m.safetensors", NEW)
    with pytest.raises(OSError, match="cannot save"):
        io.save_weights_file(tmp_path, NEW)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arrays", "metadata", "message"),
    [
        ({"w": np.array([None])}, {}, "array 'w' has dtype object"),
        ({"w": np.ones(2, complex)}, {}, "array 'w' has dtype complex128"),
        ({"w": np.ones(2, np.longdouble)}, {}, "array 'w' has dtype"),
        ({"w": np.array(["a"])}, {}, "array 'w' has dtype <U1"),
        ({3: np.ones(2)}, {}, "names of arrays must be strings, got 3"),
        ({"w": np.ones(2)}, {"epoch": 3}, "metadata must be strings, got 'epoch': 3"),
        ({"w": np.ones(2)}, {3: "x"}, "metadata must be strings, got 3: 'x'"),
    ],
)
def test_what_a_file_cannot_hold(path, arrays, metadata, message):
    with pytest.raises(TypeError, match=f"cannot save '.*m.safetensors': {message}"):
        io.save_weights_file(path, arrays, metadata)
    assert_old(path)


def test_without_the_package(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (lambda: io.load_weights_file(path), lambda: io.save_weights_file(path, NEW)):
        with pytest.raises(ImportError, match="weights files need the package 'safetensors'"):
            call()
