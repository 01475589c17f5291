"""Columns of profiles as arrays, a block of investors at a time: what marketing.kernels.tags works on."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from django.db.models import DateTimeField, Q
from django.db.models.functions import TruncDate
from numpy.typing import NDArray

from marketing.catalogue import profile_fields
from marketing.kernels.tags import Columns
from marketing.models import Profile, TagWords
from marketing.models.tags import N_WORDS

WORD_NAMES = tuple(f"w{word}" for word in range(N_WORDS))


def next_profiles(after: int, limit: int) -> tuple[int, int] | None:
    """The last investor of the next block of profiles and how many there are in it; None after the last."""
    keys = list(Profile.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:limit])
    return (keys[-1], len(keys)) if keys else None


def read_columns(after: int, upto: int, names: Collection[str], where: Q) -> tuple[NDArray[np.int64], Columns]:
    """Investors of a block by key, and these fields of their profiles, in one query."""
    ordered = sorted(names)
    rows = list(Profile.objects.filter(where, pk__gt=after, pk__lte=upto).order_by("pk").values_list("pk", *map(_read_as, ordered)))
    values = list(zip(*rows, strict=True)) or [()] * (len(ordered) + 1)
    fields = profile_fields()
    arrays = {name: _array(column, fields[name].kind) for name, column in zip(ordered, values[1:], strict=True)}
    return np.array(values[0], np.int64), Columns(arrays, len(rows))


def _read_as(name: str) -> Any:
    """A field as it is read: of a moment its day here, which the database knows three times as fast as Python."""
    return TruncDate(name) if isinstance(Profile._meta.get_field(name), DateTimeField) else name


def _array(values: Sequence[Any], kind: str) -> NDArray[Any]:
    if kind == "bool":
        return np.array(values, bool)
    if kind == "category":
        return np.array(values, object)
    if kind == "date":
        return np.array([None if value is None else value.toordinal() for value in values], np.float64)
    return np.array(values, np.float64)  # None becomes NaN


def stored_words(ids: NDArray[np.int64], *, lock: bool = False) -> NDArray[np.int64]:
    """Words of these investors, ascending by key, as (words, people); zeros for whoever has no row. `lock` needs a transaction."""
    words = np.zeros((N_WORDS, len(ids)), np.int64)
    if not len(ids):
        return words
    rows = TagWords.objects.filter(pk__gte=int(ids[0]), pk__lte=int(ids[-1])).order_by("pk")
    if lock:
        rows = rows.select_for_update()
    found = np.array(list(rows.values_list("pk", *WORD_NAMES)), np.int64).reshape(-1, N_WORDS + 1)
    found = found[np.isin(found[:, 0], ids)]
    words[:, np.searchsorted(ids, found[:, 0])] = found[:, 1:].T
    return words
