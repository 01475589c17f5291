"""Admin pages that only show. Every change in the product is a named page whose form calls a service."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnly:
    """Neither adds, changes nor deletes, whoever asks: not even a superuser."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """A list and a page a row. The addresses that add, delete, or show the history of changes do not exist."""

    actions = None

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Refuse what PostgreSQL cannot look for."""
        return "\x00" not in str(value) and super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    def get_urls(self) -> list[Any]:
        """Keep the list and the row, in the order in which the stock site has them."""
        kept = ("_changelist", "_change")
        return [pattern for pattern in super().get_urls() if (pattern.name or "").endswith(kept)]


class ReadOnlyInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    extra = 0
    show_change_link = False
