"""The first page: the landing page, an investor's home, or the way to where somebody works."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from advisor.selectors import home_page, human_of, investor_of
from advisor.selectors.level_news import level_news
from identity import elder
from identity.roles import Role

WORKPLACES = [
    (Role.ADVISOR, "advisors:index"),
    (Role.SUPERVISOR, "advisors:index"),
    (Role.MARKETER, "marketing_home"),
    (Role.ADMIN, "admin:index"),
]


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return render(request, "advisor/landing_page.html")
    for role, workplace in WORKPLACES:
        if request.user.has_role(role):
            return redirect(workplace)
    investor = investor_of(request.user)
    if investor is None:
        return redirect("admin:index" if request.user.is_superuser else "onboarding")
    context = {"page": home_page(investor), "news": level_news(investor), "human": human_of(investor) if elder.is_on(request) else None}
    return render(request, "advisor/home_page.html", context)
