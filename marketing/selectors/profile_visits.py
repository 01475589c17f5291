"""What somebody looked at, when and where: of those who agreed to profiling, and nobody else."""

from dataclasses import dataclass, fields
from datetime import timedelta

import numpy as np
from django.db.models import Case, CharField, When
from django.db.models.fields.json import KeyTextTransform

from advisor.models import Investor
from marketing.kernels.grouping import (
    NONE,
    BoolArray,
    FloatArray,
    IntArray,
    counted,
    distinct,
    divided,
    favourite,
    latest,
    numbered,
    shares,
)
from marketing.kernels.interactions import HALF_LIFE_DAYS, WEIGHTS
from marketing.models import Event
from marketing.selectors.profile_market import FundTable
from marketing.selectors.profile_rows import MICROS_A_DAY, Block, Columns, Micros, local_days, local_hours, read
from portfolios.models import Order

# Names of catalogue/events.yaml that a column of its own counts.
NAMES = {name: at for at, name in enumerate(["", "fund", "fees_seen", "search", "calculator_used", "question_asked"])}
ASKED = {"n_searches_90d": "search", "n_calculations_90d": "calculator_used", "n_questions_90d": "question_asked"}
WINDOW_DAYS, HABIT_DAYS = 365, 90
EVENING_FROM = 18
CLOCK_AHEAD = timedelta(days=1)  # what a client's clock may be ahead of ours
# Interest fades by half in 90 days; counted from a fixed moment, so that a share of it does not change with the day of the build.
FADES_FROM_MICROS = 1_577_836_800_000_000  # 2020-01-01


@dataclass(frozen=True)
class Seen:
    """Events as columns: the person's place, the time and its local day, the name's place in NAMES, whether it was a page.

    `channel` is a place among the block's channels, `fund` the row of the fund whose page it was, -1 for anything else.
    """

    person: IntArray
    at: IntArray
    day: IntArray
    name: IntArray
    is_page: BoolArray
    channel: IntArray
    fund: IntArray

    def taken(self, rows: BoolArray) -> "Seen":
        return Seen(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})

    def named(self, name: str) -> "Seen":
        return self.taken(self.name == NAMES[name])

    def within(self, days: int, block: Block) -> "Seen":
        return self.taken(self.day > block.day.toordinal() - days)


def visit_columns(block: Block, agreed: BoolArray, funds: FundTable) -> Columns:
    """Visits, habits and tastes of people; `agreed` (n,) says who may be looked at. Three queries."""
    seen, channels = _seen(block, agreed, funds)
    return {
        "last_visit_at": np.maximum(latest(seen.person, seen.at, block.n), _last_seen(block)),
        **{f"n_visits_{days}d": distinct(one.person, one.day, block.n) for days in (7, 30, 90) if (one := seen.within(days, block))},
        **_looks(seen.within(30, block), block),
        **_questions(seen.within(HABIT_DAYS, block), block),
        **_habits(seen.within(HABIT_DAYS, block), block, channels),
        **_tastes(seen, block, agreed, funds),
    }


def _seen(block: Block, agreed: BoolArray, funds: FundTable) -> tuple[Seen, list[str]]:
    code = Case(When(name="fund", then=KeyTextTransform("code", "properties")), default=None, output_field=CharField())
    since = block.since(WINDOW_DAYS)
    rows = Event.objects.filter(
        block.of("investor_id"), received_at__gte=since - CLOCK_AHEAD, occurred_at__gte=since, occurred_at__lt=block.end
    ).values_list("investor_id", Micros("occurred_at"), "type", "channel", "name", code)
    who, at, kind, channel, name, code_seen = read(rows, np.int64, np.int64, *[object] * 4)
    is_here, person = block.place(who)
    allowed = agreed[person]
    at, kind, channel, name, code_seen = (column[is_here][allowed] for column in (at, kind, channel, name, code_seen))
    place, channels = numbered(channel.tolist())
    known = np.array([NAMES.get(one, 0) for one in name], np.int64)
    fund = np.array([funds.row_of_code.get(one, -1) for one in code_seen], np.int64)
    return Seen(person[allowed], at, local_days(at), known, kind == Event.Type.PAGE, place, fund), channels


def _last_seen(block: Block) -> IntArray:
    rows = Investor.objects.filter(block.of("pk"), last_seen_at__lt=block.end).values_list("pk", Micros("last_seen_at"))
    who, at = read(rows, np.int64, np.int64)
    is_here, person = block.place(who)
    return latest(person, at[is_here], block.n)


def _looks(seen: Seen, block: Block) -> Columns:
    funds = seen.taken(seen.fund >= 0)
    return {
        "n_pages_30d": counted(seen.person[seen.is_page], block.n),
        "n_fund_views_30d": counted(funds.person, block.n),
        "n_funds_seen_30d": distinct(funds.person, funds.fund, block.n),
    }


def _questions(seen: Seen, block: Block) -> Columns:
    """What was asked for, and the part of fund pages on which the fees were opened; more than once on a page counts once."""
    fees = np.minimum(counted(seen.named("fees_seen").person, block.n), n_pages := counted(seen.named("fund").person, block.n))
    return {name: counted(seen.named(event).person, block.n) for name, event in ASKED.items()} | {"fee_seen": divided(fees, n_pages)}


def _habits(seen: Seen, block: Block, channels: list[str]) -> Columns:
    hour, weight, n = local_hours(seen.at), np.ones(len(seen.at)), counted(seen.person, block.n)
    often = favourite(seen.person, hour, weight, block.n, 24)
    channel = favourite(seen.person, seen.channel, weight, block.n, len(channels))
    is_weekend = (seen.day - 1) % 7 >= 5  # ordinal 1 was a Monday
    return {
        "active_hour": np.where(often < 0, NONE, often),
        "evening_share": divided(counted(seen.person[hour >= EVENING_FROM], block.n), n),
        "weekend_share": divided(counted(seen.person[is_weekend], block.n), n),
        "visit_channel": [channels[one] if one >= 0 else "" for one in channel.tolist()],
    }


def _tastes(seen: Seen, block: Block, agreed: BoolArray, funds: FundTable) -> Columns:
    """Interest in funds: pages looked at and own purchases, by the weights of the recommender, fading."""
    looked = seen.taken(seen.fund >= 0)
    buyer, bought, placed = _bought(block, agreed, funds)
    person, fund, at = (np.concatenate(both) for both in ((looked.person, buyer), (looked.fund, bought), (looked.at, placed)))
    kind = np.repeat([WEIGHTS["view"], WEIGHTS["order"]], [len(looked.at), len(placed)])
    order = np.lexsort((kind, fund, at, person))  # fractions are added in one order, whatever that of the database
    person, fund, weight = person[order], fund[order], (kind * _fading(at))[order]
    parts = shares(person, funds.asset_class[fund], weight, block.n, len(funds.classes))
    columns: dict[str, object] = {f"affinity_{name}": parts[:, at] for at, name in enumerate(funds.classes)}
    for name, of_fund in (("top_category", funds.category), ("top_theme", funds.theme), ("top_company", funds.company)):
        columns[name] = _top(person, fund, weight, block.n, of_fund)
    return columns  # type: ignore[return-value]


def _fading(at: IntArray) -> FloatArray:
    return np.exp2((at - FADES_FROM_MICROS) / (HALF_LIFE_DAYS * MICROS_A_DAY))


def _bought(block: Block, agreed: BoolArray, funds: FundTable) -> tuple[IntArray, IntArray, IntArray]:
    owner = "portfolio__goal__account__investor_id"
    rows = Order.objects.filter(
        block.of(owner), side=Order.Side.BUY, origin=Order.Origin.INVESTOR, placed_at__gte=block.since(WINDOW_DAYS), placed_at__lt=block.end
    ).exclude(state__in=[Order.State.REJECTED, Order.State.CANCELLED])
    who, fund, placed = read(rows.values_list(owner, "fund_id", Micros("placed_at")), *[np.int64] * 3)
    is_here, person = block.place(who)
    allowed = agreed[person]
    return person[allowed], funds.at(fund[is_here][allowed]), placed[is_here][allowed]


def _top(person: IntArray, fund: IntArray, weight: FloatArray, n: int, of_fund: list[str]) -> list[str]:
    """What has most of each person's interest; funds of which it is not known are left out."""
    code, names = numbered([of_fund[one] for one in fund.tolist()])
    known = np.array([bool(names[one]) for one in code.tolist()], bool) if len(code) else np.zeros(0, bool)
    best = favourite(person[known], code[known], weight[known], n, len(names))
    return [names[one] if one >= 0 else "" for one in best.tolist()]
