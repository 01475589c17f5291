"""The public names of marketing's selectors, gathered from one module a noun."""

from marketing.selectors.audience import Audience, audience, audience_count
from marketing.selectors.campaigns import campaigns_of, dry_run, ledger_counts, progress
from marketing.selectors.inbox import inbox_of, unread_count
from marketing.selectors.segment_words import explain
from marketing.selectors.suggestions import suggestions_to_show

__all__ = [
    "Audience",
    "audience",
    "audience_count",
    "campaigns_of",
    "dry_run",
    "explain",
    "inbox_of",
    "ledger_counts",
    "progress",
    "suggestions_to_show",
    "unread_count",
]
