"""What the API says of an event that it does not store, and of a batch that it does not read."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketing.kernels.events import Refusal

REASONS: dict[str, Any] = {
    "invalid_json": gettext_lazy("The line is no JSON: %(error)s."),
    "invalid_line": gettext_lazy("The line of the file cannot be read: %(error)s."),
    "not_an_object": gettext_lazy("An event is a JSON object."),
    "missing": gettext_lazy("The field “%(field)s” is missing."),
    "unknown_field": gettext_lazy("There is no field “%(field)s”; what you want to say of the event belongs in “properties”."),
    "unknown_type": gettext_lazy("The type is one of track, page and identify."),
    "bad_value": gettext_lazy("The field “%(field)s” does not have the form that the documentation asks for."),
    "nobody": gettext_lazy("An event names an investor by pseudonym, or an anonymous_id."),
    "too_large": gettext_lazy("Properties and context have %(bytes)s bytes together, and may have %(limit)s."),
    "nul_character": gettext_lazy("The text holds the NUL character, which cannot be stored. Send the event again without it."),
    "in_the_future": gettext_lazy(
        "The event is of %(occurred_at)s, after now. If the sender's clock is wrong, say by it in “sent_at” when you send."
    ),
    "too_old": gettext_lazy("The event is older than what is kept; that begins on %(oldest)s."),
    "unknown_investor": gettext_lazy("Nobody has this pseudonym."),
    "no_consent": gettext_lazy("This person has not agreed to profiling, or no longer does. Nothing is recorded of them."),
    "other_body": gettext_lazy("Another event has this message_id. A repeat has the same content; another event needs an id of its own."),
    "try_again": gettext_lazy("The event could not be stored just now. Send it again."),
}


def why_refused(refusal: Refusal) -> str:
    """One sentence in the caller's language."""
    return str(REASONS[refusal.code]) % refusal.about if refusal.about else str(REASONS[refusal.code])


def too_many(n: int, limit: int) -> str:
    return _("The batch has %(n)s events, and may have %(limit)s. Nothing was stored.") % {"n": n, "limit": limit}
