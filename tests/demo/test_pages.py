"""Every page that a role works on answers in the simulated world, in both languages, within its number of queries."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from advisor.models import Goal, Investor, Proposal
from demo.logins import DOMAIN
from identity.models import User
from marketing.models import Segment
from marketing.services import refresh_dormancy

LISTS = 12
# Pages of one thing, with all that belongs to it.
# A home is not a list; one query of its thirteen writes the last visit, at most twice an hour.
MOST = {
    "/": 13,
    "/marketing/": 18,
    "/marketing/ask/": 14,
    "/marketing/my-data/": 20,
    "goal": 15,
    "client": 19,
    "override": 14,
    "proposal": 12,
}
PAGES = [
    ("investor", "/"), ("investor", "/funds/"), ("investor", "/funds/?q=S0"), ("investor", "/orders/"), ("investor", "/marketing/inbox/"),
    ("investor", "/preferences/"), ("investor", "goal"), ("investor", "proposal"), ("new-investor", "/"), ("new-investor", "proposal"),
    ("advisor", "/advisors/"), ("advisor", "/advisors/?reason=idle_cash"),
    ("advisor", "client"), ("advisor", "override"), ("advisor", "/funds/"),
    ("supervisor", "/advisors/"), ("supervisor", "client"),
    ("marketer", "/marketing/"), ("marketer", "/marketing/segments/"), ("marketer", "segment"), ("marketer", "/marketing/campaigns/"),
    ("marketer", "/marketing/campaigns/new/"), ("marketer", "/marketing/segments/new/"), ("marketer", "/marketing/tags/"),
    ("marketer", "/marketing/dormancy/"), ("marketer", "/marketing/ask/"), ("investor", "/marketing/my-data/"),
    ("admin", "/admin/"), ("admin", "/admin/portfolios/fund/"), ("admin", "/admin/portfolios/pool/"), ("admin", "/admin/identity/user/"),
    ("admin", "/admin/advisor/branch/"), ("admin", "/admin/marketing/recommenderrun/"),
]  # fmt: skip


def address(page: str, user: User) -> str:
    """The page itself, or the one of the first thing of its kind that the person may see."""
    if page.startswith("/"):
        return page
    if page == "segment":
        return f"/marketing/segments/{Segment.objects.first().pk}/"
    if page == "proposal":
        return f"/proposals/{Proposal.objects.visible_to(user).first().pk}/"
    goals = Goal.objects.visible_to(user).filter(portfolio__isnull=False)
    if page == "goal":
        return f"/goals/{goals.first().pk}/"
    if page == "override":
        return f"/advisors/goals/{goals.exclude(account__investor__user=user).first().pk}/override/"
    return f"/advisors/clients/{Investor.objects.visible_to(user).exclude(user=user).first().pk}/"


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize(("who", "page"), PAGES)
def test_every_page_answers_within_its_queries(world, db, client, who, page, language):
    user = User.objects.get(email=f"{who}@{DOMAIN}")
    client.force_login(user)
    path = address(page, user)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        response = client.get(path, headers={"Accept-Language": language})
    assert response.status_code == 200
    assert f'lang="{language}"' in response.content.decode()
    assert len(asked) <= MOST.get(page, LISTS), "\n".join(query["sql"][:150] for query in asked.captured_queries)


def test_calm_holders_and_plan_savers_never_sleep_and_a_sleeper_with_idle_cash_does(world, db):
    from marketing.models import Profile

    refresh_dormancy()
    asleep = Profile.objects.filter(dormancy__in=["dormant", "lost"])
    assert not asleep.filter(n_plan_orders_90d__gt=0).exists()
    assert asleep.filter(idle_cash_minor__gt=0).exists()
