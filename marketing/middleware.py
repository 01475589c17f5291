"""Records page views of signed-in investors. Named in settings: no lower app imports it."""

import logging
from collections.abc import Callable

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from identity.roles import Role
from marketing.services import record_page_view

log = logging.getLogger(__name__)

SECRET_PARTS = {"token", "key", "uidb36"}  # parts of an address that entitle whoever holds them


class PageViewMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if self.is_page_of_an_investor(request, response):
            match = request.resolver_match
            properties = {name: str(value) for name, value in match.kwargs.items() if name not in SECRET_PARTS}  # type: ignore[union-attr]
            try:
                record_page_view(user=request.user, page=match.view_name, properties=properties)  # type: ignore[union-attr,arg-type]
            except DatabaseError as error:  # a page is never broken by its own statistics
                log.warning("page view not recorded: %s", error)
        return response

    @staticmethod
    def is_page_of_an_investor(request: HttpRequest, response: HttpResponse) -> bool:
        return (
            request.method == "GET"
            and response.status_code == 200
            and response.get("Content-Type", "").startswith("text/html")
            and not request.headers.get("HX-Request")
            and request.resolver_match is not None
            and request.resolver_match.view_name is not None
            and request.user.is_authenticated
            and request.user.has_role(Role.INVESTOR)
        )
