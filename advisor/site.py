"""The advisors' own admin site: pages made for the job, no model registered, no auto-generated change form."""

from functools import update_wrapper
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from advisor.rules import may_see_book
from advisor.views import book, cases, clients, instruments, overrides, record, review, statements


class AdvisorSite(AdminSite):
    site_header = site_title = _("Hengtou for advisors")
    index_title = _("My clients")
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        return may_see_book(request.user)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Send strangers to the product's own sign-in, and refuse the signed-in without offering another password form."""

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not self.has_permission(request):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return update_wrapper(inner if cacheable else never_cache(inner), view)

    def get_urls(self) -> list[Any]:
        """Only pages made here: the stock site's password, catalogue, shortcut and list addresses do not exist."""
        return [
            path("", self.admin_view(book.book_page), name="index"),
            path("review/", self.admin_view(review.review), name="review"),
            path("review/<int:pk>/progress/", self.admin_view(review.review_progress), name="review_progress"),
            path("clients/<int:pk>/", self.admin_view(clients.client), name="client"),
            path("clients/<int:pk>/level/", self.admin_view(clients.level), name="client_level"),
            path("clients/<int:pk>/level/hold/", self.admin_view(cases.client_hold), name="client_hold"),
            path("clients/<int:pk>/level/ask/", self.admin_view(cases.client_reassess), name="client_reassess"),
            path("clients/<int:pk>/level/review/", self.admin_view(cases.client_review), name="client_review"),
            path("clients/<int:pk>/level/rise/", self.admin_view(cases.client_rise), name="client_rise"),
            path("clients/<int:pk>/record/", self.admin_view(record.client_record), name="client_record"),
            path("clients/<int:pk>/statement/", self.admin_view(statements.client_statement), name="client_statement"),
            path("clients/<int:pk>/statement/pdf/", self.admin_view(statements.client_statement_pdf), name="client_statement_pdf"),
            path("accesses/", self.admin_view(record.accesses), name="accesses"),
            path("record/", self.admin_view(record.record), name="record"),
            path("queue/", self.admin_view(cases.queue_page), name="queue"),
            path("level-reviews/", self.admin_view(cases.reviews_page), name="level_reviews"),
            path("level-reviews/<int:pk>/decide/", self.admin_view(cases.review_decide), name="level_review_decide"),
            path("tasks/<int:pk>/done/", self.admin_view(clients.task_done), name="task_done"),
            path("goals/<int:pk>/override/", self.admin_view(overrides.override), name="override"),
            path("overrides/<int:pk>/withdraw/", self.admin_view(overrides.withdraw), name="override_withdraw"),
            path("questionnaires/", self.admin_view(instruments.instrument_list), name="instrument_list"),
            path("questionnaires/new/", self.admin_view(instruments.instrument_new), name="instrument_new"),
            path("questionnaires/<int:pk>/", self.admin_view(instruments.instrument), name="instrument"),
            path("questionnaires/<int:pk>/publish/", self.admin_view(instruments.instrument_publish), name="instrument_publish"),
        ]


advisor_site = AdvisorSite(name="advisors")
