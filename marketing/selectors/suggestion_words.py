"""Why a fund is suggested, in words: always true, always about the person, and never that others hold or buy it."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from portfolios.selectors import class_name
from portfolios.templatetags.money import bps, percent

# Every reason that there is, the most telling first, with what its sentence needs beside the names of funds.
IN_PLAN = "in_plan"  # weight: nothing is held yet, and the plan holds this fund
IN_MODEL = "in_model"  # weight: there is no goal either, and the model of their level holds this fund
FILLS_PART = "fills_part"  # asset_class, plan, held: the plan has more of this class than the person
CHEAPER = "cheaper"  # fund_id of a similar fund that is held; fee_bps, other_fee_bps
CHEAPER_THAN_THIS = "cheaper_than_this"  # the same of the fund on whose page it stands
LIKE_BOUGHT = "like_bought"  # fund_id
LIKE_FOLLOWED = "like_followed"  # fund_id
LIKE_VIEWED = "like_viewed"  # fund_id
LIKE_THIS = "like_this"  # fund_id: on whose page it stands
WITHIN_LEVEL = "within_level"  # what is true of everything that passed the filters
CODES = (IN_PLAN, IN_MODEL, FILLS_PART, CHEAPER, CHEAPER_THAN_THIS, LIKE_BOUGHT, LIKE_FOLLOWED, LIKE_VIEWED, LIKE_THIS, WITHIN_LEVEL)


def reason_in_words(reason: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """The sentence of a reason; of one that names a fund nobody knows any more, what is true of every suggestion."""
    code, name = reason.get("code"), names.get(reason.get("fund_id", 0), "")
    if code == IN_PLAN:
        return _("It is part of your own plan: %(weight)s of it.") % {"weight": percent(reason["weight"], 0)}
    if code == IN_MODEL:
        return _("It is part of the model portfolio of your level: %(weight)s of it.") % {"weight": percent(reason["weight"], 0)}
    if code == FILLS_PART:
        return _("It fills a part of your plan: %(part)s are to be %(plan)s of it, and you have %(held)s, with what is ordered.") % {
            "part": class_name(reason["asset_class"]),
            "plan": percent(reason["plan"], 0),
            "held": percent(reason["held"], 0),
        }
    if not name:
        return _("It is within your level and fits what you have.")
    if code in (CHEAPER, CHEAPER_THAN_THIS):
        said = {"name": name, "fee": bps(reason["fee_bps"]), "other": bps(reason["other_fee_bps"])}
        if code == CHEAPER:
            return _("It is similar to %(name)s, which you hold, and costs less: %(fee)s a year instead of %(other)s.") % said
        return _("It is similar to %(name)s and costs less: %(fee)s a year instead of %(other)s.") % said
    sentences = {
        LIKE_BOUGHT: _("It is similar to %(name)s, which you bought."),
        LIKE_FOLLOWED: _("It is similar to %(name)s, which you follow."),
        LIKE_VIEWED: _("It is similar to %(name)s, which you looked at."),
        LIKE_THIS: _("It is similar to %(name)s."),
    }
    return sentences.get(str(code), _("It is within your level and fits what you have.")) % {"name": name}
