"""Why something was not done, as a sentence in the reader's language: made here from codes, and nowhere stored."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from advisor.selectors.level_words import REFUSALS, day_words
from portfolios.jurisdictions import jurisdiction
from portfolios.templatetags.money import percent, units, yuan, yuan_round

SENTENCES = {
    "no_level": gettext_lazy("You have no risk level yet. Answer the questionnaire first; it takes about four minutes."),
    "level_expired": gettext_lazy("Your risk level has expired. Answer the questionnaire again; what you hold stays as it is."),
    "erased": gettext_lazy("This account was closed and its data erased. Nothing was changed."),
    "in_the_way": gettext_lazy("There is still money, a fund or an open order in the account. Nothing was changed."),
    "no_models": gettext_lazy(
        "There are no approved model portfolios at the moment, so nothing can be recommended. Nothing was changed; please try again later."
    ),
    "no_pool": gettext_lazy("There are no funds to choose from at the moment. Nothing was changed; please try again later."),
    "not_yours": gettext_lazy("Only the investor can accept a proposal."),
    "stale_page": gettext_lazy("This page was out of date, so nothing was ordered. Please look at the proposal again."),
    "already_accepted": gettext_lazy("This proposal has already been accepted. Its orders were placed once, and not again."),
    "superseded": gettext_lazy("A newer proposal has replaced this one, so nothing was ordered."),
    "not_ready": gettext_lazy("This proposal cannot be accepted, so nothing was ordered."),
    "assessed_again": gettext_lazy(
        "You have answered the questionnaire again since this proposal was made. Nothing was ordered; ask for a new proposal."
    ),
    "goal_funded": gettext_lazy("This goal already has its portfolio, so nothing was paid in a second time. Ask for a new proposal."),
    "nothing_to_invest": gettext_lazy(
        "This goal holds no cash to invest, so nothing was ordered. Changing what is already held is not offered here yet; "
        "your advisor can help."
    ),
    "cash_changed": gettext_lazy(
        "The cash of this goal is less than when the proposal was made. Nothing was ordered; ask for a new proposal."
    ),
    "too_many_attempts": gettext_lazy("The calculation was interrupted too often. Nothing was changed; you can ask for a new proposal."),
    "no_history": gettext_lazy("The funds have too little price history to work with. Nothing was changed; please try again later."),
    "no_common_history": gettext_lazy("The funds have too little price history in common. Nothing was changed; please try again later."),
    "level_fell": gettext_lazy(
        "This goal may now reach %(level)s at most, and the proposal is above that. Nothing was ordered; ask for a new proposal."
    ),
    "fund_not_suitable": gettext_lazy(
        "The fund %(fund)s can no longer be recommended to you. Nothing was ordered; ask for a new proposal."
    ),
    "order_refused": gettext_lazy("An order could not be placed (%(reason)s). Nothing was ordered, and nothing was paid in."),
    "no_room": gettext_lazy(
        "The funds that suit this goal cannot take more money at the moment. Nothing was changed; please try again later."
    ),
    "fund_full": gettext_lazy(
        "The fund %(fund_code)s takes no more money from us at the moment. Nothing was ordered, and nothing was paid in; "
        "ask for a new proposal."
    ),
    "daily_limit": gettext_lazy(
        "The fund %(fund_code)s sells at most %(daily)s a day to one account. Nothing was ordered, and nothing was paid in; "
        "ask for a new proposal, or buy the rest on another day."
    ),
    "cvar_budget": gettext_lazy(
        "No mix of the funds at hand keeps a bad year within %(limit)s of your money; the calmest one reaches about %(reached)s. "
        "A loss limit that is less strict, or a longer time, would make it possible."
    ),
    "cvar_budget_of_record": gettext_lazy(
        "By what the funds at hand really did, no mix of them keeps a bad year within %(limit)s of your money; the calmest one reaches "
        "about %(reached)s. A loss limit that is less strict, or a longer time, would make it possible."
    ),
    "no_fund_of_grade": gettext_lazy("There is no open fund that suits level %(level)s at the moment."),
    "no_money_market_fund": gettext_lazy("Level %(level)s may hold R1 money-market funds only, and none is open at the moment."),
    "bounds_cannot_sum_to_one": gettext_lazy(
        "There are only %(number)s suitable funds, and each may take only a part of the money: together they cannot take all of it."
    ),
    "amount_too_small": gettext_lazy("%(amount)s is too little to spread over the funds of this proposal. %(enough)s would be enough."),
    "above_budget": gettext_lazy(
        "What was worked out could lose more in a bad year than this goal bears, so it is not proposed. Nothing was changed."
    ),
    "not_your_purchase": gettext_lazy("Only the investor buys or redeems here. Nothing was ordered."),
    "below_smallest_purchase": gettext_lazy("The smallest purchase is %(smallest)s."),
    "not_enough_cash": gettext_lazy(
        "“%(goal)s” holds %(cash)s of cash, so %(missing)s is missing. Choose a smaller amount, or redeem something that it holds first."
    ),
    "only_class": gettext_lazy("Level %(level)s may hold money-market funds of grade R1 only. This fund is not open to you."),
    "fund_not_open": gettext_lazy("This fund takes no purchases at present. Nothing was ordered."),
    "not_acknowledged": gettext_lazy("Please read the warning first and confirm that you have read it. Nothing was ordered."),
    "warning_changed": gettext_lazy("The warning has changed since you opened this page. Please read it once more; nothing was ordered."),
    "must_wait": gettext_lazy("Your time to think is not over yet: you can confirm from %(at)s. Nothing was ordered."),
    "purchase_lapsed": gettext_lazy("This purchase was not confirmed in time and has lapsed. Nothing was ordered, and it cost nothing."),
    "purchase_ended": gettext_lazy("This purchase has ended; nothing more can be ordered from it."),
    "changed_since_started": gettext_lazy(
        "Your level or the fund's grade has changed since you started this purchase. Nothing was ordered; "
        "if you still want the fund, please start again."
    ),
    "purchase_fund_full": gettext_lazy("The fund %(fund_code)s takes no more money from us at the moment. Nothing was ordered."),
    "purchase_daily_limit": gettext_lazy("The fund %(fund_code)s sells at most %(daily)s a day to one account. Nothing was ordered."),
    "not_enough_units": gettext_lazy("There are %(units)s units that can be redeemed. Nothing was ordered."),
}

SENTENCES |= REFUSALS

# How a parameter is read: the name in the sentence, the name in the data, and the words made of it.
READ: dict[str, tuple[str, Callable[[Any], str]]] = {
    "limit": ("limit", lambda share: percent(share, 2)),
    "daily": ("limit_minor", yuan_round),
    "reached": ("reached", lambda share: percent(share, 2)),
    "number": ("n_funds", str),
    "amount": ("amount_minor", yuan_round),
    "enough": ("enough_minor", yuan_round),
    "smallest": ("smallest_minor", yuan_round),
    "cash": ("cash_minor", yuan),
    "missing": ("missing_minor", yuan),
    "units": ("units_centi", units),
    "free_on": ("free_on", day_words),
    "first": ("first", day_words),
    "last": ("last", day_words),
    "level": ("level", lambda level: jurisdiction().levels[level].code if isinstance(level, int) else level),
}


def sentence(code: str, params: Mapping[str, Any] | None = None) -> str:
    """Say why in plain words; a code that is not known here gets an honest general sentence with the code in it."""
    if code not in SENTENCES:
        return _("This could not be worked out (%(code)s). Nothing was changed; please try again or ask an advisor.") % {"code": code}
    told = dict(params or {})
    return str(SENTENCES[code]) % (told | {name: words(told[key]) for name, (key, words) in READ.items() if key in told})
