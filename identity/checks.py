"""`manage.py check --database default` says when the roles in the database are not those of the code."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError


@register(Tags.database)
def roles_are_synced(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    if not databases:
        return []
    from identity.services import declared_permissions, stored_permissions

    try:
        stored = stored_permissions()
    except DatabaseError:  # not migrated yet
        return []
    differing = [role for role, wanted in declared_permissions().items() if stored.get(role) != wanted]
    if stored and differing and not _is_behind():
        return [
            Error(f"The permissions of {', '.join(differing)} differ from roles.py.", hint="Run manage.py sync_roles.", id="identity.E001")
        ]
    return []


def _is_behind() -> bool:
    """Migrations wait: what they add has no permissions yet, so `migrate`, which checks first, must not stop for them."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
