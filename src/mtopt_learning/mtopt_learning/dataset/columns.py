"""A column of vectors over several mapped tables, read by row without being put together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


class VectorColumn:
    """Looks like an (n, k) array to those that index it; rows stay where the file is mapped.

    Args:
        column: Of fixed-size lists of numbers, in one or more pieces.
    """

    def __init__(self, column: pa.ChunkedArray):
        width = column.type.list_size
        self._pieces = [
            chunk.flatten().to_numpy().reshape(-1, width) for chunk in column.chunks if len(chunk)
        ]
        self._starts = np.cumsum([0] + [len(piece) for piece in self._pieces])
        self.dtype = np.dtype(column.type.value_type.to_pandas_dtype())
        self.shape = (int(self._starts[-1]), width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key) -> np.ndarray:
        """As of an array: rows (a number, a slice, an array of numbers or bools), and columns.

        Raises:
            IndexError: A row or column does not exist.
            TypeError: Arrays of rows and of columns together.
        """
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(rows, slice):
            return self._range(*rows.indices(len(self)), columns)
        if not isinstance(columns, int | slice):
            raise TypeError("with an array of columns the rows must be a slice")
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        if rows.size and not (-len(self) <= rows.min() and rows.max() < len(self)):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)}")
        rows = np.where(rows < 0, rows + len(self), rows)
        if len(self._pieces) == 1:
            return self._pieces[0][rows][..., columns]
        out = np.empty((*rows.shape, self.shape[1]), self.dtype)
        piece = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(piece):
            mine = piece == number
            out[mine] = self._pieces[number][rows[mine] - self._starts[number]]
        return out[..., columns]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self[:], dtype, copy=copy or None)

    def _range(self, first: int, stop: int, stride: int, columns) -> np.ndarray:
        """Rows `first` to `stop`; a view where they lie in one piece."""
        if stride < 0:
            return self[np.arange(first, stop, stride), columns]
        parts = []
        for start, piece in zip(self._starts[:-1], self._pieces, strict=True):
            low = max(first - start, (first - start) % stride)
            if low < min(stop - start, len(piece)):
                parts.append(piece[low : stop - start : stride][:, columns])
        if len(parts) == 1:
            return parts[0]
        empty = np.empty((0, self.shape[1]), self.dtype)[:, columns]
        return np.concatenate([empty, *parts])
