"""Arrays that one stage of a run leaves for the next, as bytes with the version of how they are packed."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from portfolios.kernels.errors import DataError

FORMAT = 1  # raise it whenever what is packed, or what its numbers mean, changes
VECTOR = np.dtype("<f4")


def pack(**arrays: npt.NDArray[Any]) -> bytes:
    """Named arrays of numbers as bytes, compressed."""
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()


def unpack(data: bytes, format_: int) -> dict[str, npt.NDArray[Any]]:
    """What `pack` packed. Raises DataError("packed_by_another_version") before reading anything that another version wrote."""
    check_format(format_)
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def check_format(format_: int) -> None:
    """Raise DataError("packed_by_another_version", found, known) unless this version wrote it."""
    if format_ != FORMAT:
        raise DataError("packed_by_another_version", found=format_, known=FORMAT)


def vectors_of(packed: list[bytes]) -> npt.NDArray[np.float32]:
    """Rows of little-endian float32, all of one length, as a matrix (rows, k)."""
    return np.frombuffer(b"".join(packed), VECTOR).reshape(len(packed), -1).astype(np.float32, copy=False)
