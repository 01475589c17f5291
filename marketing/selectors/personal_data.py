"""Everything that is known about one person, a table at a time, as it is handed to them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import BinaryField, QuerySet

from advisor.models import Investor
from identity.models import User
from identity.roles import Role
from marketing.catalogue.personal_data import PersonalTable
from marketing.selectors.tags import tags_of
from portfolios.models import Fund

ROWS_AT_ONCE = 2_000
TAG_COLUMNS = ["code", "name_zh", "name_en", "meaning_zh", "meaning_en"]

# What a fund or a mix is expected to earn, and the reasons that say so: no investor of a licensed deployment is told.
FORECASTS = frozenset({"expected_return", "frontier", "why"})


def rows_about(table: PersonalTable, investor: Investor) -> QuerySet[Any]:
    """The rows of a table that are about a person, whoever asks: the caller has found the person among those visible."""
    manager: Any = table.table._default_manager
    return manager.filter(**{table.path: investor.pk}).order_by("pk")


def as_told(value: Any) -> Any:
    """A value of a row as the person may see it: a structure of a licensed deployment without its forecasts."""
    if settings.IS_DEMO or not isinstance(value, dict | list):
        return value
    if isinstance(value, list):
        return [as_told(one) for one in value]
    return {key: as_told(one) for key, one in value.items() if key not in FORECASTS}


class PersonReader:
    """Reads one person's rows as plain values: of the staff only the role, of funds the code, of forecasts nothing unless in a demo.

    What staff members are called is their own data, not the person's (Personal Information Protection Law, Art. 45).
    """

    def __init__(self, investor: Investor) -> None:
        self.investor = investor
        groups = User.groups.through.objects.exclude(group__name=Role.INVESTOR).order_by("group__name")
        self.roles: dict[int, str] = {user: name for user, name in groups.values_list("user_id", "group__name") if name in list(Role)}

    def read(self, table: PersonalTable) -> tuple[list[str], Iterator[list[Any]]]:
        """The names of the columns, and the rows in their order; one query a table, read in blocks."""
        if table.model == "marketing.TagWords":  # bits say nothing by themselves
            return TAG_COLUMNS, ([getattr(tag, name) for name in TAG_COLUMNS] for tag in tags_of(self.investor))
        fields = table.columns()
        paths = [f"{field.name}__code" if field.related_model is Fund else field.attname for field in fields]
        tell = [self._who if field.related_model is User else _numbers if isinstance(field, BinaryField) else None for field in fields]
        rows = rows_about(table, self.investor).values_list(*paths).iterator(ROWS_AT_ONCE)
        told = ([one(value) if one else as_told(value) for one, value in zip(tell, row, strict=True)] for row in rows)
        return [field.name for field in fields], told

    def _who(self, user_id: int | None) -> str:
        if user_id is None:
            return ""
        return "you" if user_id == self.investor.user_id else self.roles.get(user_id, "another person")


def _numbers(packed: bytes) -> list[float]:
    """Factors as the numbers that they are."""
    return [float(one) for one in np.frombuffer(packed, "<f4")]
