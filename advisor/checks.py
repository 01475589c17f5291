"""`manage.py check --database default` says when the record of advice is not guarded by its triggers."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db.utils import DatabaseError

from advisor.append_only import missing_guards


@register(Tags.database)
def record_is_guarded(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for using in databases or []:
        try:
            missing = missing_guards(using)
        except DatabaseError:  # nobody answers there: migrate says so itself
            continue
        if missing:
            hint = "Run manage.py migrate --skip-checks, which makes them anew; then manage.py verify_record."
            found.append(Error(f"The record of advice is not guarded: {', '.join(missing)} missing.", hint=hint, id="advisor.E001"))
    return found
