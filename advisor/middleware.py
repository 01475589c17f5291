"""Notes who of the staff opens a person's page or takes a person's file. Which pages those are stands in one table here."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from advisor.models import Investor
from advisor.services.privacy import log_access

# The name of an address -> how an investor leads to what its first parameter is the key of; "" where that is the investor, and
# never the reader. Lists of clients are not looks at one of them.
DOORS = {
    **dict.fromkeys([f"advisors:client{page}" for page in ("", "_record", "_statement", "_statement_pdf", "_level")], ""),
    **dict.fromkeys([f"advisors:client_{step}" for step in ("hold", "reassess", "review", "rise")], ""),
    **dict.fromkeys(("client_tags_slot", "client_next_action_slot"), "pk"),
    **dict.fromkeys(("assessment_csv", "assessment_json"), "assessments"),
    **dict.fromkeys(("goal", "proposal_new", "advisors:override"), "accounts__goals"),
    **dict.fromkeys(("proposal", "proposal_progress"), "accounts__goals__proposals"),
    "advisors:override_withdraw": "accounts__goals__overrides",
    "advisors:task_done": "tasks",
    "advisors:level_review_decide": "level_reviews",
}


class DataAccessMiddleware:
    """A look that cannot be noted is not had: an error of the database here is an error of the page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        match = getattr(request, "opened", None)
        # 422 is the page once more, with what is wrong in a form.
        if match is not None and match.view_name in DOORS and (response.status_code < 400 or response.status_code == 422):
            self._note(request.user, match.view_name, next(iter(match.kwargs.values())))
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Not reached by whom another middleware sends elsewhere first, as to the second factor: they see nobody."""
        request.opened = request.resolver_match  # type: ignore[attr-defined]

    @staticmethod
    def _note(user: Any, page: str, pk: Any) -> None:
        if not user.is_authenticated or not user.is_staff:
            return
        path, investor_id = DOORS[page], pk
        if path:
            investor_id = Investor.objects.filter(**{path: pk}).exclude(user=user).values_list("pk", flat=True).first()
        if investor_id is not None:
            log_access(actor=user, investor_id=investor_id, what=page)
