"""The public names of marketing's services, gathered from one module a noun."""

from marketing.services.campaigns import (
    Draft,
    cancel_campaign,
    change_draft,
    execute_launch,
    launch_campaign,
    pause_campaign,
    resume_campaign,
    write_draft,
)
from marketing.services.dormancy import refresh_dormancy
from marketing.services.events import make_event_partitions, record_page_view
from marketing.services.inbox import mark_read, withdraw_marketing_consent
from marketing.services.recommender import execute_training, request_training
from marketing.services.segments import ensure_builtin_segments, write_segment
from marketing.services.sending import send_batch, tidy_campaigns

__all__ = [
    "Draft",
    "cancel_campaign",
    "change_draft",
    "ensure_builtin_segments",
    "execute_launch",
    "execute_training",
    "launch_campaign",
    "make_event_partitions",
    "mark_read",
    "pause_campaign",
    "record_page_view",
    "refresh_dormancy",
    "request_training",
    "resume_campaign",
    "send_batch",
    "tidy_campaigns",
    "withdraw_marketing_consent",
    "write_draft",
    "write_segment",
]
