"""Trainings of the recommender and keys of the API, to read. Campaigns and segments have pages of their own, and persons none."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from config.readonly import ReadOnlyAdmin
from marketing.models import ApiKey, RecommenderRun
from marketing.services.api_keys import revoke_api_key


@admin.register(RecommenderRun)
class RecommenderRunAdmin(ReadOnlyAdmin):
    list_display = ("id", "algorithm", "seed", "status", "is_serving", "queued_at", "finished_at")
    list_filter = ("status", "is_serving")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys are made by `manage.py make_api_key`, which shows them once; here they are ended."""

    list_display = ("name", "prefix", "scopes", "made_at", "last_used_at", "revoked_at", "revoked_by")
    list_select_related = ("revoked_by",)
    exclude = ("key_hash",)
    actions = ("revoke",)  # type: ignore[assignment]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("marketing.change_apikey"))

    @admin.action(description=_("Revoke the keys, now and for good"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        actor: Any = request.user
        n = sum(revoke_api_key(pk=pk, actor=actor) for pk in queryset.values_list("pk", flat=True))
        messages.success(request, ngettext("%(n)d key was revoked.", "%(n)d keys were revoked.", n) % {"n": n})
