"""The roles, and the permissions of this app that each holds. Every app has such a table; sync_roles gathers them."""

from enum import StrEnum


class Role(StrEnum):
    INVESTOR = "investor"
    ADVISOR = "advisor"
    MARKETER = "marketer"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


STAFF_ROLES = frozenset({Role.ADVISOR, Role.MARKETER, Role.SUPERVISOR, Role.ADMIN})

PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.ADMIN: ("identity.view_user",),
}
