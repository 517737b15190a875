"""A file is written as a whole, or not at all, and then nothing is left beside it."""

import errno
import os

import pytest

from mtopt_spec.whole_file import write_aside


def test_the_new_bytes_take_the_old_ones_place(tmp_path):
    file = tmp_path / "file"
    for data in (b"old", b"new"):
        write_aside(file, data)
        assert file.read_bytes() == data and list(tmp_path.iterdir()) == [file]


def test_nothing_is_left_aside_of_what_cannot_be_renamed(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_aside(tmp_path / "folder", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space"), KeyboardInterrupt()])
def test_nothing_is_left_aside_of_what_cannot_be_written(tmp_path, monkeypatch, error):
    """A full disk does not say of which file; a person wants to know."""

    def fail(descriptor):
        raise error

    file = tmp_path / "file"
    file.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)) as raised:
        write_aside(file, b"new")
    assert list(tmp_path.iterdir()) == [file] and file.read_bytes() == b"old"
    assert getattr(raised.value, "filename", str(file)) == str(file)
