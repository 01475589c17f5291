"""The public names of advisor's selectors, gathered from one module a noun."""

from advisor.selectors.overrides import active_overrides, latest_proposal, price_of, price_sha
from advisor.selectors.people import consents_of, goals_of, has_consent, investor_of, investors_with_consent
from advisor.selectors.suitability import decide_for, level_for_goal, recommendable_funds

__all__ = [
    "active_overrides",
    "consents_of",
    "decide_for",
    "goals_of",
    "has_consent",
    "investor_of",
    "investors_with_consent",
    "latest_proposal",
    "level_for_goal",
    "price_of",
    "price_sha",
    "recommendable_funds",
]
