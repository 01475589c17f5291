"""Branches and who works in them. Nobody who is advised appears on the stock site: no investor, household or goal."""

from django.contrib import admin

from advisor.models import Branch, Cover, StaffMember
from config.readonly import ReadOnlyAdmin, ReadOnlyInline


class StaffMemberInline(ReadOnlyInline):
    model = StaffMember


@admin.register(Branch)
class BranchAdmin(ReadOnlyAdmin):
    list_display = ("name",)
    search_fields = ("name",)
    inlines = (StaffMemberInline,)


@admin.register(Cover)
class CoverAdmin(ReadOnlyAdmin):
    list_display = ("advisor", "deputy", "start_date", "end_date")
    list_select_related = ("advisor", "deputy")
    date_hierarchy = "start_date"
