"""Every column of a profile for one person, in plain Python from plain rows: slow, and nothing shared with the build."""

from collections import Counter, defaultdict
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from hashlib import sha256
from zoneinfo import ZoneInfo

from advisor.models import Assessment, BehaviourReading, Consent, Goal, Investor, LevelChange, Proposal, ReviewTrigger
from marketing.catalogue.events import theme_of
from marketing.models import Acquisition, Delivery, Event, InboxMessage
from portfolios.models import Fund, Holding, LedgerEntry, Order
from portfolios.money import value_minor
from portfolios.selectors import load_history

SHANGHAI = ZoneInfo("Asia/Shanghai")
CLASSES = ["money_market", "short_bond", "bond", "mixed", "equity", "sector_equity", "overseas_equity", "gold", "reit", "commodity"]
MEASURES = ["panic", "turnover", "disposition", "concentration", "chasing"]


def local(at: datetime) -> datetime:
    return at.astimezone(SHANGHAI)


def judge(one: Investor, day: date) -> dict:
    """What the row of this person must say at the end of the day."""
    one = Investor.objects.select_related("user", "household").get(pk=one.pk)
    end = datetime.combine(day + timedelta(days=1), time.min, SHANGHAI)
    agreed = latest_consent(one, "profiling")
    return (
        person(one)
        | answered(one, day, end, agreed)
        | saved_for(one, day)
        | ordered(one, day, end)
        | held(one, day)
        | lived(one, day)
        | looked(one, day, end, agreed)
        | written_to(one, end)
    )


def latest_consent(one: Investor, purpose: str) -> bool:
    rows = sorted(Consent.objects.filter(investor=one, purpose=purpose), key=lambda row: (row.at, row.pk))
    return bool(rows) and rows[-1].is_given


def person(one: Investor) -> dict:
    source = Acquisition.objects.filter(investor=one).first()
    return {
        "level": one.level,
        "level_valid_until": one.level_valid_until,
        "language": one.user.language,
        "elder_mode": one.user.elder_mode,
        "joined_date": local(one.joined_at).date(),
        "acquisition_source": source.source if source else "",
        "has_advisor": bool(one.household.primary_advisor_id or one.household.secondary_advisor_id),
        "household_size": Investor.objects.filter(household=one.household).count(),
        "recommendations_off": bool(one.recommendations_off_at),
        "consent_marketing": latest_consent(one, "marketing"),
        "consent_profiling": latest_consent(one, "profiling"),
        "bucket_seed": int(sha256(one.pseudonym.encode()).hexdigest()[:16], 16) % 10_000,
    }


def answered(one: Investor, day: date, end: datetime, agreed: bool) -> dict:
    done = [row for row in Assessment.objects.filter(investor=one, state="completed") if row.completed_at < end]
    last = max(done, key=lambda row: (row.completed_at, row.pk), default=None)
    moves = [row for row in LevelChange.objects.filter(investor=one) if row.at < end]
    move = max(moves, key=lambda row: (row.at, row.pk), default=None)
    reading = BehaviourReading.objects.filter(investor=one, problem="", as_of__isnull=False).first() if agreed else None
    sheet = reading.measures if reading else {}
    found = {name: sheet[name]["value"] if name in sheet and sheet[name]["evidence"] > 0 else None for name in MEASURES}
    items = {"age_band": "age"} | {name: name for name in ("income", "reserve", "debt", "dependants", "experience")}
    way = (
        ""
        if not move
        else "first"
        if move.from_level is None
        else ["down", "same", "up"][1 + (move.to_level > move.from_level) - (move.to_level < move.from_level)]
    )
    return (
        found
        | {name: last.answers.get(item, "") if last else "" for name, item in items.items()}
        | {
            "confidence": last.confidence if last else "",
            "assessed_date": local(last.completed_at).date() if last else None,
            "n_assessments": len(done),
            "stated_loss": last.stated_loss if last else None,
            "has_draft_assessment": Assessment.objects.filter(investor=one, state="draft").exists(),
            "review_due": ReviewTrigger.objects.filter(investor=one, opened_at__isnull=False, closed_at=None).exists(),
            "level_changed_date": local(move.at).date() if move else None,
            "level_move": way,
        }
    )


def saved_for(one: Investor, day: date) -> dict:
    goals = list(Goal.objects.filter(account__investor=one).order_by("pk"))
    main = max(goals, key=lambda goal: (goal.amount_minor, -goal.pk), default=None)
    return {
        "n_goals": len(goals),
        "goal_kind": main.kind if main else "",
        "goal_amount_minor": sum(goal.amount_minor for goal in goals),
        "first_goal_date": min((goal.target_date for goal in goals if goal.target_date >= day), default=None),
        "last_goal_date": max((goal.target_date for goal in goals), default=None),
        "n_goals_funded": sum(goal.portfolio_id is not None for goal in goals),
        "has_waiting_proposal": Proposal.objects.filter(goal__in=goals, state="ready").exists(),
    }


def ordered(one: Investor, day: date, end: datetime) -> dict:
    orders = [
        row for row in Order.objects.filter(portfolio__goal__account__investor=one) if row.placed_at < end and row.state != "rejected"
    ]
    on = {row.pk: local(row.placed_at).date() for row in orders}

    def lately(rows, days):
        return [row for row in rows if (day - on[row.pk]).days < days]

    def last(rows):
        return max((row.placed_at for row in rows), default=None)

    own = [row for row in orders if row.origin != "plan"]
    buys = [row for row in orders if row.side == "buy" and row.state != "cancelled"]
    sells = [row for row in orders if row.side == "sell" and row.state != "cancelled"]
    plan = [row for row in buys if row.origin == "plan"]
    year, quarter = lately(buys, 365), lately(plan, 90)
    done = [row for row in year if row.state in {"confirmed", "paid"}]
    months = {(on[row.pk].year, on[row.pk].month) for row in quarter}
    entries = [row for row in LedgerEntry.objects.filter(portfolio__goal__account__investor=one) if row.date <= day]
    paid_in = [row for row in entries if row.kind == "deposit"]
    return {
        "last_decision_at": last(own),
        "first_decision_at": min((row.placed_at for row in own), default=None),
        "n_decisions": len({on[row.pk] for row in own}),
        "n_decisions_90d": len({on[row.pk] for row in lately(own, 90)}),
        "n_decisions_365d": len({on[row.pk] for row in lately(own, 365)}),
        "last_order_at": last(orders),
        "last_purchase_at": last(buys),
        "last_redemption_at": last(sells),
        "n_purchases_365d": len(year),
        "n_redemptions_365d": len(lately(sells, 365)),
        "bought_365d_minor": sum(row.amount_minor for row in year),
        "sold_365d_minor": sum(row.amount_minor for row in lately(sells, 365)),
        "mean_purchase_minor": sum(row.amount_minor for row in year) // len(year) if year else 0,
        "fees_365d_minor": sum(row.fee_minor for row in year + lately(sells, 365)),
        "purchase_fee_bps": 1e4 * sum(row.fee_minor for row in done) / sum(row.amount_minor for row in done) if done else None,
        "plan_status": "none" if not plan else "running" if lately(plan, 45) else "stopped",
        "n_plan_orders_90d": len(quarter),
        "plan_month_minor": sum(row.amount_minor for row in quarter) // len(months) if quarter else 0,
        "net_flow_90d_minor": -sum(row.cash_minor for row in entries if row.kind != "deposit" and (day - row.date).days < 90),
        "net_flow_365d_minor": -sum(row.cash_minor for row in entries if row.kind != "deposit" and (day - row.date).days < 365),
        "deposits_365d_minor": sum(row.cash_minor for row in paid_in if (day - row.date).days < 365),
        "last_deposit_date": max((row.date for row in paid_in), default=None),
    }


def held(one: Investor, day: date) -> dict:
    rows = list(Holding.objects.filter(portfolio__goal__account__investor=one).select_related("fund"))
    worth = {
        row.pk: row.cost_minor if row.fund.last_nav_micro is None else value_minor(row.units_centi, row.fund.last_nav_micro) for row in rows
    }
    invested, cost = sum(worth.values()), sum(row.cost_minor for row in rows)
    by_fund, by_class, of_portfolio = Counter(), Counter(), Counter()
    for row in rows:
        by_fund[row.fund_id] += worth[row.pk]
        by_class[row.fund.asset_class] += worth[row.pk]
        of_portfolio[row.portfolio_id] += worth[row.pk]
    cash = reached = wanted = 0
    for goal in Goal.objects.filter(account__investor=one, portfolio__isnull=False).select_related("portfolio"):
        waiting = sum(
            order.amount_minor - order.fee_minor
            for order in Order.objects.filter(portfolio=goal.portfolio)
            if (order.side == "buy" and order.state in {"placed", "accepted"}) or (order.side == "sell" and order.state == "confirmed")
        )
        of_portfolio[goal.portfolio_id] += goal.portfolio.cash_minor + waiting
        cash += goal.portfolio.cash_minor
        invested_and_more = of_portfolio[goal.portfolio_id]
        if goal.target_minor:
            reached, wanted = reached + invested_and_more, wanted + goal.target_minor
    assets = sum(of_portfolio.values())
    fees = sum(worth[row.pk] * (row.fund.annual_fee_bps + row.fund.sales_fee_bps) for row in rows)
    return {f"share_{name}": by_class[name] / invested if invested else None for name in CLASSES} | {
        "assets_minor": assets,
        "invested_minor": invested,
        "idle_cash_minor": cash,
        "idle_share": cash / assets if assets else None,
        "n_holdings": len(by_fund),
        "largest_share": max(by_fund.values()) / invested if invested else None,
        "n_companies": len({row.fund.company for row in rows}),
        "holding_fee_bps": fees / invested if invested else None,
        "highest_grade": max((row.fund.risk_grade for row in rows), default=None),
        "unrealised_return": invested / cost - 1 if cost else None,
        "goal_progress": reached / wanted if wanted else None,
    }


def lived(one: Investor, day: date) -> dict:
    """Week by week, position by position."""
    moves = defaultdict(list)
    for row in LedgerEntry.objects.filter(portfolio__goal__account__investor=one, kind__in=["buy", "sell"], date__lte=day).order_by(
        "date", "pk"
    ):
        moves[row.portfolio_id, row.fund_id].append(row)
    lots = [lot for rows in moves.values() for lot in left_of(rows)]
    paid = sum(cost for cost, _ in lots)
    bought = float(sum(cost * on.toordinal() for cost, on in lots) / paid) if paid else None
    histories = load_history(Fund.objects.values_list("pk", flat=True))

    def price(fund: int, friday: date):
        past = [k for k, known in enumerate(histories[fund].dates) if 0 <= friday.toordinal() - known <= 14] if fund in histories else []
        return (histories[fund].nav_micro[past[-1]], histories[fund].total_return[past[-1]]) if past else None

    first = min((rows[0].date for rows in moves.values()), default=day)
    fridays = [first + timedelta(days=k) for k in range((day - first).days + 1) if (first + timedelta(days=k)).weekday() == 4]
    wins = n_held = 0
    index = high = 1.0
    fall, before = None, {}
    for friday in fridays:
        now = {}
        for key, rows in moves.items():
            known = price(key[1], friday)
            units = sum(row.units_centi for row in rows if row.date <= friday)
            if known and units:
                now[key] = (units * known[0] / 1e6, known[1])
                n_held += 1
                wins += now[key][0] > sum(row.cost_minor for row in rows if row.date <= friday)
        grown = {key: (worth, price(key[1], friday)) for key, worth in before.items()}
        usable = [(worth, new[1] / old) for (worth, old), new in grown.values() if new]
        if usable:
            index *= sum(worth * growth for worth, growth in usable) / sum(worth for worth, _ in usable)
            high = max(high, index)
            fall = max(fall or 0.0, 1 - index / high)
        before = now
    return {
        "holding_days": max(0.0, day.toordinal() - bought) if paid else None,
        "in_profit_share": wins / n_held if n_held else None,
        "drawdown_felt": fall,
    }


def left_of(rows: list[LedgerEntry]) -> list[tuple[Fraction, date]]:
    """(cost, day) of the lots that are left, the oldest units gone first, to the last fraction of a cent."""
    lots: list[list] = []
    for row in rows:
        if row.units_centi > 0:
            lots.append([row.units_centi, Fraction(row.cost_minor, row.units_centi), row.date])
        sold = max(0, -row.units_centi)
        for lot in lots:
            taken = min(lot[0], sold)
            lot[0], sold = lot[0] - taken, sold - taken
    return [(units * price, on) for units, price, on in lots if units]


def looked(one: Investor, day: date, end: datetime, agreed: bool) -> dict:
    events = [row for row in Event.objects.filter(investor=one) if agreed and end - timedelta(days=365) <= row.occurred_at < end]

    def lately(days):
        return [row for row in events if (day - local(row.occurred_at).date()).days < days]

    month, quarter = lately(30), lately(90)
    funds = {fund.code: fund for fund in Fund.objects.all()}
    seen = [(funds[row.properties["code"]], row.occurred_at, 1.0) for row in events if row.properties.get("code") in funds]
    bought = Order.objects.filter(portfolio__goal__account__investor=one, side="buy", origin="investor").select_related("fund")
    seen += [
        (row.fund, row.placed_at, 5.0)
        for row in bought
        if agreed and row.state not in {"rejected", "cancelled"} and end - timedelta(days=365) <= row.placed_at < end
    ]
    weight = [kind * 2 ** (-(end - at).total_seconds() / (90 * 86_400)) for _, at, kind in seen]
    shown = [row.properties["code"] for row in month if row.properties.get("code") in funds]
    hours = Counter(local(row.occurred_at).hour for row in quarter)
    channels = Counter(row.channel for row in quarter)
    visits = [row.occurred_at for row in events] + ([one.last_seen_at] if one.last_seen_at and one.last_seen_at < end else [])
    names = Counter(row.name for row in quarter)

    def most(counts):
        return min((key for key in counts if counts[key] == max(counts.values())), default=None)

    def top(of):
        sums = Counter()
        for (fund, _, _), one_weight in zip(seen, weight, strict=True):
            if of(fund):
                sums[of(fund)] += one_weight
        return max(sums, key=lambda name: sums[name]) if sums else ""

    return {
        f"affinity_{name}": sum(w for (fund, _, _), w in zip(seen, weight, strict=True) if fund.asset_class == name) / sum(weight)
        if seen
        else None
        for name in CLASSES
    } | {
        "last_visit_at": max(visits, default=None),
        **{f"n_visits_{n}d": len({local(row.occurred_at).date() for row in lately(n)}) for n in (7, 30, 90)},
        "n_pages_30d": sum(row.type == "page" for row in month),
        "n_fund_views_30d": len(shown),
        "n_funds_seen_30d": len(set(shown)),
        "active_hour": most(hours),
        "visit_channel": most(channels) or "",
        "evening_share": sum(local(row.occurred_at).hour >= 18 for row in quarter) / len(quarter) if quarter else None,
        "weekend_share": sum(local(row.occurred_at).weekday() >= 5 for row in quarter) / len(quarter) if quarter else None,
        "n_searches_90d": names["search"],
        "n_calculations_90d": names["calculator_used"],
        "n_questions_90d": names["question_asked"],
        "fee_seen": min(names["fees_seen"], names["fund"]) / names["fund"] if names["fund"] else None,
        "top_category": top(lambda fund: fund.category),
        "top_company": top(lambda fund: fund.company),
        "top_theme": top(lambda fund: theme_of(fund.name_zh) or theme_of(fund.name_en)),
    }


def written_to(one: Investor, end: datetime) -> dict:
    sent = [row for row in Delivery.objects.filter(investor=one, status="sent") if row.ended_at < end]

    def lately(column, days):
        return [row for row in sent if getattr(row, column) and end - timedelta(days=days) <= getattr(row, column) < end]

    by_channel = defaultdict(list)
    for row in lately("ended_at", 365):
        by_channel[row.channel].append(bool(row.opened_at and row.opened_at < end))
    rated = {
        channel: (sum(opened) / len(opened), sum(opened)) for channel, opened in by_channel.items() if len(opened) >= 2 and any(opened)
    }
    best = max(rated.values(), default=None)
    return {
        "n_messages_90d": len(lately("ended_at", 90)),
        "n_opened_90d": len(lately("opened_at", 90)),
        "n_clicked_90d": len(lately("clicked_at", 90)),
        "last_opened_at": max((row.opened_at for row in sent if row.opened_at and row.opened_at < end), default=None),
        "best_channel": min((channel for channel in rated if rated[channel] == best), default=""),
        "has_complained": any(row.complained_at and row.complained_at < end for row in sent),
        "n_unread": sum(row.read_at is None and row.at < end for row in InboxMessage.objects.filter(investor=one)),
    }
