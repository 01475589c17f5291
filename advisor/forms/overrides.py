"""Forms of the advisors' site. They check types and ranges; what the rules allow is the services' to say."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from advisor.errors import Refused
from advisor.models import Level
from advisor.selectors.overrides import AllocationRow
from portfolios.templatetags.money import percent

MAX_FUNDS = 60
HUNDRED = Decimal(100)
CENT = Decimal("0.01")

SENTENCES = {
    "no_valid_level": _("The client has no valid risk level. The questionnaire comes first."),
    "no_proposal": _("There is no finished proposal for this goal yet, so there is nothing to depart from."),
    "weight_out_of_range": _("Every weight lies between 0 and 100 %%."),
    "sum": _("The weights add up to %(total)s; they must add up to 100 %%. Keep what you want fixed and share out the rest."),
    "unknown_fund": _("There is no fund with the code %(code)s."),
    "closed_fund": _("%(name)s (%(code)s) is closed for purchase."),
    "not_in_pool": _("%(name)s (%(code)s) is not in the current pool of funds."),
    "above_level": _("%(name)s (%(code)s) is graded R%(grade)s, which is above what this goal's level %(level)s may hold."),
    "above_cap": _("%(name)s (%(code)s) would have %(weight)s; one fund may have at most %(cap)s."),
    "above_budget": _("A bad year could cost about %(cvar)s or more; this goal, at level %(level)s, bears %(limit)s."),
    "no_figures": _("The figures for this allocation cannot be worked out: a fund has too short a history (%(code)s)."),
    "price_changed": _("The figures have changed since you last saw them. Look at them again before you save."),
    "already_active": _("Another override is in force for this goal. Withdraw it first."),
    "reason_too_short": _("Give the reason in at least %(least)s characters."),
    "reason_too_long": _("Give the reason in at most %(most)s characters."),
    "expiry_out_of_range": _("The override must end between %(first)s and %(last)s."),
    "already_listed": _("%(code)s is in the list already."),
    "too_many_funds": _("An allocation has at most %(most)s funds."),
    "kept_above_hundred": _("What is kept adds up to %(total)s already; there is nothing left to share out."),
    "nothing_to_share": _("Everything is kept, so there is nothing to share out."),
    "no_level_to_lower": _("The client has no level yet, so there is nothing to lower."),
    "not_lower": _("The level is %(now)s now. It can only be lowered here; to raise it, the client answers the questionnaire again."),
}
FRACTIONS = {"total", "weight", "cap", "cvar", "limit"}


def sentence(refused: Refused) -> str:
    """Say in the reader's language why nothing was changed."""
    said = {key: percent(value, 2) if key in FRACTIONS and isinstance(value, float) else value for key, value in refused.params.items()}
    return str(SENTENCES[refused.code]) % said


def hundredths(weights: Mapping[str, float], total: Decimal = HUNDRED) -> dict[str, Decimal]:
    """Shares as percent with two decimals that add up to `total` exactly: what is lost by cutting goes to the largest remainders."""
    whole = Decimal(str(sum(weights.values()) or 1))
    exact = {code: Decimal(str(weight)) * total / whole for code, weight in weights.items()}
    cut = {code: share.quantize(CENT, ROUND_DOWN) for code, share in exact.items()}
    missing = int((total - sum(cut.values())) / CENT)
    for code in sorted(exact, key=lambda code: (cut[code] - exact[code], code))[:missing]:
        cut[code] += CENT
    return cut


def share_out(weights: Mapping[str, Decimal], kept: set[str]) -> dict[str, Decimal]:
    """Leave what is kept and scale the rest, so that all add up to 100. Raises Refused when there is no room or no rest."""
    fixed = {code: weight for code, weight in weights.items() if code in kept}
    rest = {code: float(weight) for code, weight in weights.items() if code not in kept}
    left = HUNDRED - sum(fixed.values())
    if not rest:
        raise Refused("nothing_to_share")
    if left < 0:
        raise Refused("kept_above_hundred", total=float(HUNDRED - left) / 100)
    if not any(rest.values()):
        rest = dict.fromkeys(rest, 1.0)
    shared = fixed | hundredths(rest, left)
    return {code: shared[code] for code in weights}


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2}))


class LevelForm(ReasonForm):
    to_level = forms.TypedChoiceField(label=_("New level"), coerce=int, choices=Level.choices)


class AllocationForm(ReasonForm):
    """A weight in percent and a "keep" mark for each fund, a fund to add, the reason, the end, and the name of the price shown."""

    expires_on = forms.DateField(label=_("Ends on"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    add = forms.CharField(label=_("Fund code"), max_length=20, required=False)
    expected_price_sha = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, codes: Iterable[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.codes = list(codes)
        for code in self.codes:
            self.fields[f"weight_{code}"] = forms.DecimalField(min_value=0, max_value=100, decimal_places=2, required=False)
            self.fields[f"keep_{code}"] = forms.BooleanField(required=False)

    @staticmethod
    def posted_codes(data: Mapping[str, Any]) -> list[str]:
        codes = [key.removeprefix("weight_") for key in data if key.startswith("weight_")]
        return [code for code in codes if 0 < len(code) <= 20 and "\x00" not in code][:MAX_FUNDS]

    @property
    def percents(self) -> dict[str, Decimal]:
        return {code: self.cleaned_data.get(f"weight_{code}") or Decimal(0) for code in self.codes}

    @property
    def weights(self) -> dict[str, float]:
        return {code: float(share / HUNDRED) for code, share in self.percents.items() if share}

    @property
    def kept(self) -> set[str]:
        return {code for code in self.codes if self.cleaned_data.get(f"keep_{code}")}

    @property
    def total(self) -> str:
        """What the weights add up to, as far as they can be read."""
        shown = [self[f"weight_{code}"].value() for code in self.codes]
        if self.is_bound:
            shown = list(self.percents.values()) if hasattr(self, "cleaned_data") else []
        total = sum((Decimal(str(share or 0)) for share in shown), Decimal(0))
        return percent(float(total / HUNDRED), 2)

    def changed_to(self, percents: Mapping[str, Decimal]) -> "AllocationForm":
        """The same form with other weights: what was typed and marked stays, what was priced does not."""
        said = {name: self.cleaned_data.get(name) for name in ("reason", "expires_on")}
        marks = {f"keep_{code}": True for code in self.kept}
        return AllocationForm(percents, initial=said | marks | {f"weight_{code}": share for code, share in percents.items()})

    def lines(self, rows: Iterable[AllocationRow]) -> list[tuple[AllocationRow, Any, Any]]:
        return [(row, self[f"weight_{row.fund.code}"], self[f"keep_{row.fund.code}"]) for row in rows if row.fund.code in self.codes]
