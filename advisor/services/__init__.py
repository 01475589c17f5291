"""The public names of advisor's services, gathered from one module a noun."""

from advisor.services.acceptance import accept_proposal, check_acceptable
from advisor.services.assessments import BulkAssessment, assess_in_bulk, complete_assessment
from advisor.services.behaviour import is_behaviour_left, read_behaviour, read_behaviour_of
from advisor.services.drafts import save_answer, start_assessment
from advisor.services.goals import GoalError, GoalRequest, add_goal, change_goal
from advisor.services.grade_changes import GradeChangesFollowed, follow_grade_changes, request_due_proposals
from advisor.services.level_reviews import request_level_review, return_level_review, sign_level_review
from advisor.services.levels import apply_behaviour, hold_level, lower_level
from advisor.services.market_watch import follow_market_alerts
from advisor.services.overrides import check_fund, check_override, expire_overrides, make_override, withdraw_override
from advisor.services.people import give_consent, give_consents, register_investor, set_preference, switch_recommendations
from advisor.services.proposals import execute_proposal, request_proposal
from advisor.services.purchases import (
    Wish,
    acknowledge_warning,
    lapse_purchases,
    order_purchase,
    show_warning,
    start_purchase,
    withdraw_purchase,
)
from advisor.services.queue import close_task, open_task
from advisor.services.readvice import readvise_next_block, request_readvice, runs_to_ring
from advisor.services.reassessment import Watched, watch_assessments
from advisor.services.redemptions import free_units, preview_redemption, redeem_units
from advisor.services.rises import apply_due_levels, confirm_rise, decline_rise
from advisor.services.suitability import clear
from advisor.services.triggers import ask_reassessment, report_life_event

__all__ = [
    "BulkAssessment",
    "GoalError",
    "GoalRequest",
    "GradeChangesFollowed",
    "Watched",
    "Wish",
    "accept_proposal",
    "acknowledge_warning",
    "add_goal",
    "apply_behaviour",
    "apply_due_levels",
    "ask_reassessment",
    "assess_in_bulk",
    "change_goal",
    "check_acceptable",
    "check_fund",
    "check_override",
    "clear",
    "close_task",
    "complete_assessment",
    "confirm_rise",
    "decline_rise",
    "execute_proposal",
    "expire_overrides",
    "follow_grade_changes",
    "follow_market_alerts",
    "free_units",
    "give_consent",
    "give_consents",
    "hold_level",
    "is_behaviour_left",
    "lapse_purchases",
    "lower_level",
    "make_override",
    "open_task",
    "order_purchase",
    "preview_redemption",
    "read_behaviour",
    "read_behaviour_of",
    "readvise_next_block",
    "redeem_units",
    "register_investor",
    "report_life_event",
    "request_due_proposals",
    "request_level_review",
    "request_proposal",
    "request_readvice",
    "return_level_review",
    "runs_to_ring",
    "save_answer",
    "set_preference",
    "show_warning",
    "sign_level_review",
    "start_assessment",
    "start_purchase",
    "switch_recommendations",
    "watch_assessments",
    "withdraw_override",
    "withdraw_purchase",
]
