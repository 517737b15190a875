"""Arrow files of the cache: written in one piece, read where they are mapped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mtopt_spec.errors import InputError


def arrow_bytes(table: pa.Table) -> bytes:
    """An Arrow file of a table."""
    sink = pa.BufferOutputStream()
    table = table.combine_chunks()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def read_tables(paths: Sequence[Path]) -> pa.Table:
    """The rows of several Arrow files with the columns of all of them; NaN where one lacks it.

    Raises:
        InputError: A file is missing or no Arrow file.
    """
    parts = []
    for path in paths:
        try:
            parts.append(pa.ipc.open_file(pa.memory_map(str(path))).read_all())
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(
                "dataset table",
                where=path,
                got=f"{error}",
                expected="an Arrow file",
                todo="build it anew: it can always be made from the bags",
            ) from error
    columns = dict.fromkeys(name for table in parts for name in table.column_names)
    filled = []
    for table in parts:
        for name in columns:
            if name not in table.column_names:
                table = table.append_column(name, pa.array(np.full(len(table), np.nan, np.float32)))
        filled.append(table.select(list(columns)))
    return pa.concat_tables(filled)


def from_matrix(matrix: np.ndarray) -> pa.FixedSizeListArray:
    """A column of fixed-size lists of an (n, k) array."""
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])
