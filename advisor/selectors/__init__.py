"""The public names of advisor's selectors, gathered from one module a noun."""

from advisor.selectors.advice import is_working, may_see_method, planned_orders, problem_of, proposal_page
from advisor.selectors.home import goal_cards, goal_page, home_page
from advisor.selectors.overrides import active_overrides, latest_proposal, price_of, price_sha
from advisor.selectors.people import consents_in_force, consents_of, goals_of, has_consent, human_of, investor_of, investors_with_consent
from advisor.selectors.refusals import sentence
from advisor.selectors.suitability import decide_for, level_for_goal, recommendable_funds, suits_own_level

__all__ = [
    "active_overrides",
    "consents_in_force",
    "consents_of",
    "decide_for",
    "goal_cards",
    "goal_page",
    "goals_of",
    "has_consent",
    "home_page",
    "human_of",
    "investor_of",
    "investors_with_consent",
    "is_working",
    "latest_proposal",
    "level_for_goal",
    "may_see_method",
    "planned_orders",
    "price_of",
    "price_sha",
    "problem_of",
    "proposal_page",
    "recommendable_funds",
    "sentence",
    "suits_own_level",
]
