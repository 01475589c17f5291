"""Every table that holds something about a person, as validated data: the one list that export and erasure go by."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from django.apps import apps
from django.db.models import Model
from pydantic import BaseModel, ConfigDict, model_validator

from marketing.catalogue.events import Named

Fate = Literal["erase", "detach", "placeholder", "keep"]
# Of jobs and forms: how a row is worked on, not what it says.
TECHNICAL = {
    "password", "claim", "lease_until", "attempts", "n_done", "n_total", "idempotency_key", "request_key", "form_key", "key",
}  # fmt: skip


class PersonalTable(Named):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    path: str  # from a row to the investor
    file: str
    fate: Fate
    basis: str = ""
    leave_out: list[str] = []

    @property
    def table(self) -> type[Model]:
        return apps.get_model(self.model)

    def columns(self) -> list[Any]:
        """The fields of a row that are told."""
        hidden = TECHNICAL | set(self.leave_out)
        return [field for field in self.table._meta.concrete_fields if field.name not in hidden]


class PersonalData(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    basis: dict[str, Named]
    tables: list[PersonalTable]
    others: dict[str, str]

    @model_validator(mode="after")
    def _kept_for_a_reason(self) -> "PersonalData":
        for table in self.tables:
            if (table.fate == "keep") != (table.basis in self.basis):
                raise ValueError(f"{table.model} is kept without a basis, or has one and is not kept")
        return self


@cache
def personal_data() -> PersonalData:
    text = Path(__file__).with_name("personal_data.yaml").read_text(encoding="utf-8")
    return PersonalData.model_validate(yaml.safe_load(text))
