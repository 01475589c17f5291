"""Why something would be best done next, as a true sentence about the person; what is not known is not said."""

from datetime import date

from django.utils.translation import gettext as _

from marketing.models import NextAction
from portfolios.templatetags.money import yuan


def reason_words(one: NextAction) -> str:
    """The sentence of an action, as of the night that wrote it."""
    data = one.data
    if one.reason == "level_expired":
        return _("The risk level ran out on %(day)s: nothing may be proposed before it is assessed anew.") % {"day": data["until"]}
    if one.reason == "level_ending":
        return _("The risk level runs out on %(day)s.") % {"day": data["until"]}
    if one.reason == "goal_behind":
        shares = {"reached": f"{data['reached']:.0%}", "gone": f"{data['gone']:.0%}"}
        return _("%(reached)s of what is wanted of the goals is there, and %(gone)s of the time for them has gone.") % shares
    if one.reason == "asleep" and "since" in data:
        since = {"day": data["since"]}
        return _("By their own rhythm silent, so found on %(day)s: something to learn wakes better than something to buy.") % since
    if one.reason == "idle_cash" and one.fund is not None:
        told = {"amount": yuan(data["idle_minor"]), "fund": one.fund.name}
        return _("%(amount)s lies idle, and %(fund)s suits the level and what they have.") % told
    return plain_reason(one.reason)


def plain_reason(code: str) -> str:
    """A reason whose sentence needs nothing but its code; "" for a code that is not known."""
    return {
        "not_assessed": _("There is no risk level yet: nothing may be proposed before the questionnaire is answered."),
        "proposal_waits": _("A proposal was worked out and waits for an answer."),
        "plan_stopped": _("A plan that used to buy has not bought for more than 45 days."),
        "asleep": _("By their own rhythm silent: something to learn wakes better than something to buy."),
        "no_permission": _("There would be something to say, but they did not agree to marketing messages."),
        "calm": _("A calm holder: a plan runs, or the money is invested as agreed. Nothing needs to be sold."),
        "gone": _("Nothing is left here and nothing was heard for a year."),
        "nothing_due": _("Nothing is due, so nothing is said."),
    }.get(code, "")


def data_of(code: str, *, until: date | None, since: date | None, idle_minor: float, reached: float, gone: float) -> dict[str, object]:
    """What the sentence of a reason needs, as plain data."""
    if code in {"level_expired", "level_ending"}:
        return {"until": f"{until:%Y-%m-%d}"}
    if code == "goal_behind":
        return {"reached": round(reached, 2), "gone": round(gone, 2)}
    if code == "asleep":
        return {"since": f"{since:%Y-%m-%d}"} if since else {}
    return {"idle_minor": int(idle_minor)} if code == "idle_cash" else {}


def channel_words(one: NextAction) -> str:
    """By which channel and when, in words."""
    if one.kind == NextAction.Kind.SILENCE:
        return _("by no channel")
    hour = _("any hour: no habit is known") if one.hour is None else f"{one.hour}:00–{one.hour + 1}:00"
    return _("%(channel)s, %(hour)s") % {"channel": one.get_channel_display(), "hour": hour}
