"""`manage.py check --database default` says when the record of advice is not guarded by its triggers."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
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
            what = f"The record of advice is not guarded: {', '.join(missing)} missing."
            if _is_behind(using):
                found.append(Warning(what, hint="migrate makes them; then run manage.py verify_record.", id="advisor.W001"))
                continue
            hint = "Run manage.py migrate --skip-checks, which makes them anew; then manage.py verify_record."
            found.append(Error(what, hint=hint, id="advisor.E001"))
    return found


def _is_behind(using: str) -> bool:
    """Migrations wait: a guard that came since is not there yet, and `migrate`, which checks first and makes it, must not stop."""
    executor = MigrationExecutor(connections[using])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
