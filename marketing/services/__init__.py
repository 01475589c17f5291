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
from marketing.services.dormancy import refresh_dormancy, resume_dormancy
from marketing.services.erasure import execute_erasure, look_again, request_erasure, start_due_erasures, withdraw_erasure
from marketing.services.event_keeping import purge_events
from marketing.services.events import make_event_partitions, record_page_view
from marketing.services.inbox import mark_read, withdraw_marketing_consent
from marketing.services.look_alikes import ask_for_look_alikes, execute_look_alikes, follow_factors, refresh_look_alikes
from marketing.services.metrics import refresh_metrics
from marketing.services.next_actions import refresh_next_actions, resume_next_actions
from marketing.services.portraits import refresh_portraits
from marketing.services.profiles import build_profiles, execute_profile_build, request_profile_build
from marketing.services.recommender import execute_training, request_training
from marketing.services.retention import forget_old_snapshots
from marketing.services.segment_exports import request_export, take_export
from marketing.services.segments import (
    change_segment,
    delete_segment,
    ensure_builtin_segments,
    note_sizes,
    take_snapshot,
    write_segment,
)
from marketing.services.sending import send_batch, tidy_campaigns
from marketing.services.tag_refresh import ask_for_tag_refresh, begin_tag_night, execute_tag_refresh, refresh_tags, request_tag_refresh
from marketing.services.tags import retire_tag, sync_tags, write_tag

__all__ = [
    "Draft",
    "ask_for_look_alikes",
    "ask_for_tag_refresh",
    "begin_tag_night",
    "build_profiles",
    "cancel_campaign",
    "change_draft",
    "change_segment",
    "delete_segment",
    "ensure_builtin_segments",
    "execute_erasure",
    "execute_launch",
    "execute_look_alikes",
    "execute_profile_build",
    "execute_tag_refresh",
    "execute_training",
    "follow_factors",
    "forget_old_snapshots",
    "launch_campaign",
    "look_again",
    "make_event_partitions",
    "mark_read",
    "note_sizes",
    "pause_campaign",
    "purge_events",
    "record_page_view",
    "refresh_dormancy",
    "refresh_look_alikes",
    "refresh_metrics",
    "refresh_next_actions",
    "refresh_portraits",
    "refresh_tags",
    "request_erasure",
    "request_export",
    "request_profile_build",
    "request_tag_refresh",
    "request_training",
    "resume_campaign",
    "resume_dormancy",
    "resume_next_actions",
    "retire_tag",
    "send_batch",
    "start_due_erasures",
    "sync_tags",
    "take_export",
    "take_snapshot",
    "tidy_campaigns",
    "withdraw_erasure",
    "withdraw_marketing_consent",
    "write_draft",
    "write_segment",
    "write_tag",
]
