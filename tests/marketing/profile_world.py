"""A small random town for profiles: people of whom every table knows something, and days that pass over it."""

import random
from datetime import date, datetime, time, timedelta
from uuid import uuid4

import numpy as np
from django.utils import timezone

from advisor.models import (
    Account,
    Assessment,
    BehaviourReading,
    Branch,
    Consent,
    Goal,
    Household,
    Investor,
    LevelChange,
    Proposal,
    ReviewTrigger,
)
from identity.models import User
from marketing.models import Acquisition, Campaign, CampaignStep, Delivery, Event, InboxMessage, Segment
from portfolios.kernels.lots import take_oldest
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, Holding, LedgerEntry, Order, OrderEvent, Portfolio
from portfolios.services.history import store_histories
from portfolios.services.ledger import Movement, post
from portfolios.services.orders import lots_held

CLASSES = [
    "money_market",
    "bond",
    "mixed",
    "equity",
    "sector_equity",
    "gold",
    "grade_3",
    "short_bond",
    "overseas_equity",
    "reit",
    "commodity",
]
NAMES = [
    "医药主题一号",
    "红利指数",
    "平衡混合",
    "科技主题",
    "Growth Shares",
    "黄金联接",
    "没有主题",
    "短债",
    "全球股票(QDII)",
    "消费",
    "商品指数",
]
EVENTS = ["home", "fund", "fund", "fund", "fees_seen", "search", "calculator_used", "question_asked", "inbox", "click"]
MEASURES = ["panic", "turnover", "disposition", "concentration", "chasing"]
STALE, BEGINS = 3, -500  # this fund publishes no more; histories begin so many days before the first day
COST_OF_A_SALE = 5


def at(day: date, seconds: int) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min)) + timedelta(seconds=seconds, microseconds=seconds % 7)


class Town:
    """`today` is a day of which everything until its evening is known; `pass_days` brings more."""

    def __init__(self, n: int, today: date, seed: int) -> None:
        self.random, self.today, self.paths = random.Random(seed), today, {}
        self.funds = self._make_funds()
        self.campaign = self._make_campaign()
        self.people = [self._make_person(number) for number in range(n)]
        for one in self.people:
            for _ in range(self.random.randint(0, 25)):
                self.happen(one, self.some_day())

    def some_day(self, back: int = 480) -> date:
        """Windows end often: a third of everything happens near one of their edges."""
        if self.random.random() < 0.35:
            return self.today - timedelta(days=self.random.choice([6, 7, 8, 29, 30, 31, 44, 45, 46, 89, 90, 91, 364, 365, 366]))
        return self.today - timedelta(days=self.random.randint(0, back))

    def moment(self, day: date) -> datetime:
        return at(day, self.random.choice([0, 86_399, self.random.randint(0, 86_399)]))

    # ── Funds ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _make_funds(self) -> list[Fund]:
        funds = Fund.objects.bulk_create(
            Fund(
                code=f"T{number:05d}",
                name_zh=name,
                name_en=name,
                category="mixed" if number % 2 else "index",
                asset_class=asset_class,
                company=f"Company {number % 3}",
                risk_grade=1 + number % 5,
                source="test",
                annual_fee_bps=20 * number,
                sales_fee_bps=number,
            )
            for number, (asset_class, name) in enumerate(zip(CLASSES, NAMES, strict=True))
        )
        for number, fund in enumerate(funds):
            rng = np.random.default_rng(number)
            self.paths[fund.pk] = 1.5 * np.exp(np.cumsum(rng.normal(0.0, 0.015, 700)))
        self.publish(funds, BEGINS, 0)
        return list(Fund.objects.order_by("pk"))

    def publish(self, funds: list[Fund], since: int, until: int) -> None:
        """Working days' prices, in days counted from the first day of the town; a twentieth is paid out and left in the index."""
        first = getattr(self, "first_day", self.today)
        self.first_day = first
        days = [k for k in range(since, until + 1) if (first + timedelta(days=k)).weekday() < 5]
        for number, fund in enumerate(funds):
            known = [k for k in days if number != STALE or k < -60]
            if known:
                path = self.paths[fund.pk][np.array(known) - BEGINS]
                nav = np.round(path * 1e6 * np.where(np.array(known) > -200, 0.95, 1.0)).astype(np.int64)
                dates = np.array([(first + timedelta(days=k)).toordinal() for k in known], np.int64)
                store_histories([FundHistory(fund.code, dates, nav, path)])

    # ── People ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _make_campaign(self) -> CampaignStep:
        segment = Segment.objects.create(name="Town", rule={"version": 1, "rule": {"all": []}})
        campaign = Campaign.objects.create(name="Town", segment=segment)
        return CampaignStep.objects.create(campaign=campaign, channels=["inbox"])

    def _make_person(self, number: int) -> Investor:
        pick, branch = self.random, Branch.objects.get_or_create(name="Town")[0]
        if number % 3 or not number:
            self.household = Household.objects.create(name=f"House {number}", branch=branch)
        user = User.objects.create(
            email=f"town{uuid4().hex}@example.com", language=pick.choice(["zh-hans", "en"]), elder_mode=pick.random() < 0.2
        )
        if number % 4 == 0:
            Household.objects.filter(pk=self.household.pk).update(secondary_advisor=user)
        one = Investor.objects.create(
            user=user,
            household=self.household,
            pseudonym=uuid4().hex[:12],
            joined_at=self.moment(self.some_day(700)),
            last_seen_at=pick.choice([None, self.moment(self.some_day())]),
            recommendations_off_at=pick.choice([None, None, timezone.now()]),
        )
        account = Account.objects.create(investor=one)
        for _ in range(pick.choice([0, 1, 1, 2])):
            self._make_goal(account)
        if pick.random() < 0.7:
            Acquisition.objects.create(investor=one, source="baidu", medium="organic", first_visit_at=one.joined_at)
        for purpose in ("profiling", "marketing"):
            for _ in range(pick.choice([0, 1, 1, 2])):
                self.consent(one, purpose, self.some_day())
        return one

    def _make_goal(self, account: Account) -> Goal:
        pick, has_portfolio = self.random, self.random.random() < 0.8
        portfolio = Portfolio.objects.create() if has_portfolio else None
        if portfolio:
            self._pay_in(portfolio, pick.randint(10**6, 10**7), self.today - timedelta(days=490))
        return Goal.objects.create(
            account=account,
            portfolio=portfolio,
            name="Goal",
            kind=pick.choice(Goal.Kind.values),
            amount_minor=pick.choice([10**6, 2 * 10**6]),
            target_minor=pick.choice([None, 5 * 10**6]),
            target_date=self.today + timedelta(days=pick.choice([-40, 0, 1, 2, 30, 900])),
        )

    def consent(self, one: Investor, purpose: str, day: date) -> None:
        Consent.objects.create(investor=one, purpose=purpose, is_given=self.random.random() < 0.75, source="test", at=self.moment(day))

    # ── What happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def happen(self, one: Investor, day: date) -> None:
        """One thing on a day."""
        often = [self.look, self.order] * 3
        self.random.choice([*often, self.message, self.answer, self.other])(one, day)

    def look(self, one: Investor, day: date) -> None:
        name, when = self.random.choice(EVENTS), self.moment(day)
        Event.objects.create(
            message_id=uuid4(),
            investor=one,
            type="page" if name in {"home", "fund", "inbox"} else "track",
            name=name,
            occurred_at=when,
            received_at=max(when, when + timedelta(minutes=self.random.choice([0, 0, 3]))),
            channel=self.random.choice(["web", "app", "wechat"]),
            properties={"code": self.random.choice([*(fund.code for fund in self.funds), "gone"])} if name == "fund" else {},
        )
        if self.random.random() < 0.5:
            Investor.objects.filter(pk=one.pk).update(last_seen_at=when)

    def order(self, one: Investor, day: date) -> None:
        pick = self.random
        portfolio = Portfolio.objects.filter(goal__account__investor=one).order_by("pk").first()
        if portfolio is None:
            return
        held = Holding.objects.filter(portfolio=portfolio).order_by("fund_id").first()
        if held is not None and pick.random() < 0.4:
            self._sell(portfolio, held, day)
            return
        fund, amount = pick.choice(self.funds), pick.choice([10_000, 25_000, 33_333])
        state = pick.choice(["confirmed"] * 6 + ["placed", "rejected", "cancelled"])
        order = self._write(portfolio, fund, day, "buy", state, amount_minor=amount, fee_minor=amount // 100 if state == "confirmed" else 0)
        self._book(order, LedgerEntry.Kind.RESERVE, day, cash_minor=-amount)
        if state in {"rejected", "cancelled"}:
            self._book(order, LedgerEntry.Kind.RELEASE, day, cash_minor=amount)
        elif state == "confirmed":
            units = round((amount - order.fee_minor) / 1.5)
            self._book(order, LedgerEntry.Kind.BUY, day, units_centi=units, cost_minor=amount)

    def _sell(self, portfolio: Portfolio, held: Holding, day: date) -> None:
        units = self.random.choice([held.units_centi, max(1, held.units_centi // 3)])
        lots = lots_held(portfolio.pk, held.fund_id)
        if any(lot.date > day for lot in lots):
            return
        cost = sum(lot.cost_minor for lot in take_oldest(lots, units)[0])
        state = self.random.choice(["confirmed", "paid"])
        order = self._write(portfolio, held.fund, day, "sell", state, amount_minor=cost + 77, fee_minor=COST_OF_A_SALE, units_centi=units)
        self._book(order, LedgerEntry.Kind.SELL, day, units_centi=-units, cost_minor=-cost)
        if state == "paid":
            self._book(order, LedgerEntry.Kind.PAYOUT, day, cash_minor=order.net_minor)

    def _write(self, portfolio: Portfolio, fund: Fund, day: date, side: str, state: str, **money: int) -> Order:
        when = self.moment(day)
        order = Order.objects.create(
            portfolio=portfolio,
            fund=fund,
            side=side,
            state=state,
            origin=self.random.choice(["investor", "investor", "plan", "proposal"]),
            clearance_id=uuid4(),
            idempotency_key=uuid4().hex,
            placed_at=when,
            confirmed_at=when,
            **({"units_centi": 1} | money),
        )
        OrderEvent.objects.create(order=order, to_state=state, at=max(when, timezone.now()))
        return order

    def _book(self, order: Order, kind: str, day: date, **moved: int) -> None:
        fund_id = None if kind == LedgerEntry.Kind.PAYOUT else order.fund_id
        post(Movement(order.portfolio_id, kind, f"{kind}:{order.pk}", day, fund_id=fund_id, order=order, **moved))

    def _pay_in(self, portfolio: Portfolio, amount: int, day: date) -> None:
        post(Movement(portfolio.pk, LedgerEntry.Kind.DEPOSIT, f"deposit:{uuid4()}", day, cash_minor=amount))

    def message(self, one: Investor, day: date) -> None:
        pick, sent = self.random, self.moment(day)
        channel = pick.choice(["inbox", "email", "sms"])
        step = CampaignStep.objects.create(
            campaign=self.campaign.campaign, channels=[channel], position=2 + self.campaign.campaign.steps.count()
        )
        seen = [None, sent + timedelta(hours=1), sent + timedelta(days=40)]
        Delivery.objects.create(
            campaign=self.campaign.campaign,
            step=step,
            channel=channel,
            investor=one,
            status=pick.choice(["sent", "sent", "sent", "failed"]),
            queued_at=sent,
            ended_at=sent,
            delivered_at=sent,
            opened_at=pick.choice(seen),
            clicked_at=pick.choice(seen),
            complained_at=pick.choice([None] * 9 + [sent]),
        )
        InboxMessage.objects.create(investor=one, subject="s", body="b", at=sent, read_at=pick.choice([None, sent]))

    def answer(self, one: Investor, day: date) -> None:
        pick, when = self.random, self.moment(day)
        if pick.random() < 0.2 and not one.assessments.filter(state="draft").exists():
            Assessment.objects.create(investor=one, instrument="standard@2", instrument_sha256="0", started_at=when)
            return
        level = pick.randint(1, 5)
        answers = {item: pick.choice("ab") for item in ("age", "debt", "income", "reserve", "dependants", "experience", "unknown")}
        Assessment.objects.create(
            investor=one,
            state="completed",
            instrument="standard@2",
            instrument_sha256="0",
            answers=answers,
            level=level,
            started_at=when,
            confidence=pick.choice(["high", "low"]),
            stated_loss=pick.choice([0.05, 0.2]),
            completed_at=when,
        )
        before = Investor.objects.values_list("level", flat=True).get(pk=one.pk)
        LevelChange.objects.create(
            investor=one, from_level=before, to_level=level, why="", at=when, assessment=one.assessments.filter(level=level).first()
        )
        Investor.objects.filter(pk=one.pk).update(level=level, level_valid_until=day + timedelta(days=365))

    def other(self, one: Investor, day: date) -> None:
        pick = self.random
        what = pick.choice(["trigger", "reading", "reading", "proposal", "deposit", "consent", "goal"])
        goal = Goal.objects.filter(account__investor=one).order_by("pk").first()
        if what == "trigger" and not one.review_triggers.exists():
            ReviewTrigger.objects.create(investor=one, kind="asked", since=day, opened_at=pick.choice([None, self.moment(day)]))
        elif what == "reading":
            sheet = {name: {"value": pick.random(), "evidence": pick.choice([0.0, 0.4])} for name in pick.sample(MEASURES, 4)}
            values = {"as_of": day, "measures": sheet, "due_on": day, "problem": pick.choice(["", "", "short"])}
            BehaviourReading.objects.update_or_create(investor=one, defaults=values)
        elif what == "proposal" and goal and (sheet := one.assessments.filter(state="completed").first()):
            Proposal.objects.create(
                goal=goal,
                assessment=sheet,
                level=1,
                state=pick.choice(["ready", "accepted"]),
                inputs={},
                inputs_sha256=uuid4().hex,
                status="done",
            )
        elif what == "deposit" and goal and goal.portfolio:
            self._pay_in(goal.portfolio, 12_345, day)
        elif what == "consent":
            self.consent(one, pick.choice(["profiling", "marketing"]), day)
        elif what == "goal" and pick.random() < 0.3:
            self._make_goal(one.accounts.get())

    def pass_days(self, days: int) -> None:
        """Prices move, things happen to some - also such as happened before and are told late - and somebody joins."""
        was, self.today = (self.today - self.first_day).days, self.today + timedelta(days=days)
        self.publish(self.funds, was + 1, was + days)
        for one in self.random.sample(self.people, len(self.people) // 4):
            for _ in range(self.random.randint(1, 3)):
                self.happen(one, self.today - timedelta(days=self.random.randint(0, days - 1)))
        unopened = Delivery.objects.filter(opened_at=None, status="sent").order_by("idempotency_key")[:2]
        Delivery.objects.filter(pk__in=list(unopened.values_list("pk", flat=True))).update(opened_at=timezone.now())
        self.people.append(self._make_person(len(self.people)))
