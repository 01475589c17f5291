"""The advisors' own admin site: pages made for the job, no auto-generated change form."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from identity.roles import Role


class AdvisorSite(AdminSite):
    site_header = site_title = _("Hengtou for advisors")
    index_title = _("My clients")
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return user.is_active and user.is_authenticated and (user.has_role(Role.ADVISOR) or user.has_role(Role.SUPERVISOR))


advisor_site = AdvisorSite(name="advisors")
