from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config.readonly import ReadOnlyAdmin, ReadOnlyInline
from portfolios.models import Fund, ImportRun, Pool, PoolFund


@admin.register(Fund)
class FundAdmin(ReadOnlyAdmin):
    list_display = ("code", "name", "category", "asset_class", "risk_grade", "is_open", "last_nav_date", "source")
    list_filter = ("risk_grade", "category", "is_open", "is_simulated", "source")
    search_fields = ("code", "name_zh", "name_en", "company")


class PoolFundInline(ReadOnlyInline):
    model = PoolFund

    def get_queryset(self, request: HttpRequest) -> QuerySet[PoolFund]:
        return super().get_queryset(request).select_related("fund")


@admin.register(Pool)
class PoolAdmin(ReadOnlyAdmin):
    list_display = ("name", "is_current", "made_at")
    inlines = (PoolFundInline,)


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyAdmin):
    list_display = ("queued_at", "source", "file_name", "n_rows", "n_new", "n_unchanged", "n_reported", "n_funds")
    list_filter = ("source",)
    search_fields = ("file_name", "sha256")  # its rows stand on the page of imports: there may be millions
