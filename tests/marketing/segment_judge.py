"""A second opinion on a segment's rule: read every row into Python and ask each person by itself. Slow, and nothing of ours in it."""

import math
import random
import struct
from collections import defaultdict
from datetime import datetime
from zoneinfo import ZoneInfo

from advisor.models import Account, Consent, Investor, Proposal
from marketing.models import (
    Campaign,
    Delivery,
    Event,
    InvestorFactors,
    NextAction,
    NotInterested,
    Profile,
    Segment,
    Tag,
    TagWords,
)
from portfolios.models import Fund, Holding, Order, PoolFund

SHANGHAI = ZoneInfo("Asia/Shanghai")
PROFILING_FIELDS = {"top_category", "n_visits_30d"}


class World:
    """Everything that is known, by person."""

    def __init__(self, now: datetime) -> None:
        self.now, self.today = now, now.astimezone(SHANGHAI).date()
        self.people = dict(Investor.objects.values_list("pk", "level"))
        self.profiles = {row["investor_id"]: row for row in Profile.objects.values()}
        self.tags = {tag.code: tag for tag in Tag.objects.all()}
        self.words = {row["investor_id"]: row for row in TagWords.objects.values()}
        self.funds = {fund.pk: fund for fund in Fund.objects.all()}
        self.rules = {one.pk: one.rule["rule"] for one in Segment.objects.all()}
        owner = {
            portfolio: investor
            for investor, portfolio in Account.objects.filter(goals__portfolio__isnull=False).values_list(
                "investor_id", "goals__portfolio_id"
            )
        }
        self.orders, self.holdings = defaultdict(list), defaultdict(list)
        for one in Order.objects.values("portfolio_id", "fund_id", "side", "origin", "state", "placed_at"):
            if one["portfolio_id"] in owner:
                self.orders[owner[one["portfolio_id"]]].append(one)
        for portfolio, fund, units in Holding.objects.values_list("portfolio_id", "fund_id", "units_centi"):
            if units > 0 and portfolio in owner:
                self.holdings[owner[portfolio]].append(fund)
        self.events, self.messages = defaultdict(list), defaultdict(list)
        for one in Event.objects.values("investor_id", "name", "properties", "channel", "occurred_at"):
            self.events[one["investor_id"]].append(one)
        for one in Delivery.objects.values("investor_id", "campaign_id", "status", "ended_at", "opened_at", "clicked_at"):
            self.messages[one["investor_id"]].append(one)
        self._read_actions()
        self.kin: dict[int, dict[int, int]] = {}  # by seed: place by person
        self.compared: dict[int, int] = {}
        self.vectors = {
            who: struct.unpack(f"<{len(packed) // 4}f", packed)
            for who, packed in InvestorFactors.objects.filter(run__is_serving=True).values_list("investor_id", "vector")
        }
        self.consents = {}
        for investor, purpose, is_given in Consent.objects.order_by("at", "pk").values_list("investor_id", "purpose", "is_given"):
            self.consents[investor, purpose] = is_given

    def _read_actions(self) -> None:
        self.actions = {row["investor_id"]: row for row in NextAction.objects.values()}
        self.accounts = {row["id"]: row for row in Investor.objects.values("id", "level", "level_valid_until", "recommendations_off_at")}
        self.asked = set(Proposal.objects.filter(state="ready").values_list("goal__account__investor_id", flat=True))
        self.pool = set(PoolFund.objects.filter(pool__is_current=True).values_list("fund_id", flat=True))
        self.refused = set(NotInterested.objects.filter(until=None).values_list("investor_id", "fund_id"))

    def members(self, rule: dict) -> set[int]:
        return {who for who in self.profiles if self.holds(rule["rule"], who) is True}

    def holds(self, node: dict, who: int) -> bool | None:
        """True, false, or None: it cannot be said of somebody whose behaviour is not read."""
        if "all" in node:
            said = [self.holds(child, who) for child in node["all"]]
            return False if False in said else None if None in said else True
        if "any" in node:
            said = [self.holds(child, who) for child in node["any"]]
            return True if True in said else None if None in said else False
        if "not" in node:
            inner = self.holds({"any": node["not"]}, who)
            return None if inner is None else not inner
        if "segment" in node:
            inner = self.holds(self.rules[node["segment"]], who)
            return None if inner is None else inner is node.get("is_in", True)
        if self.reads_behaviour(node) and not self.consents.get((who, "profiling"), False):
            return None
        kinds = ("order", "message", "event", "holding", "ratio", "tag", "resembles", "next_action", "bucket", "campaign", "field")
        kind = next(kind for kind in kinds if kind in node)
        return getattr(self, f"_{kind}")(node, who)

    def reads_behaviour(self, node: dict) -> bool:
        if "event" in node or "resembles" in node or "next_action" in node:
            return True
        if "tag" in node:
            return self.tags[node["tag"]].sensitivity == "profiling"
        return bool({node.get("field"), *node.get("ratio", [])} & PROFILING_FIELDS) and "order" not in node

    def _value(self, name: str, who: int):
        return self.people[who] if name == "level" else self.profiles[who][name]

    def _field(self, node: dict, who: int) -> bool:
        if node["field"] == "consent":
            return self.consents.get((who, node["purpose"]), False) is node["is"]
        value = self._value(node["field"], who)
        if isinstance(node.get("is"), bool):
            return value is node["is"]
        if "is" in node:
            return value in node["is"] or (value in ("", None) and any(one in ("", None) for one in node["is"]))
        if not any("days" in key for key in node):
            return value is not None and self._between(node, value)
        if value is not None:
            value = value.astimezone(SHANGHAI).date() if isinstance(value, datetime) else value
        if "in_days_below" in node:
            return value is not None and 0 <= (value - self.today).days < node["in_days_below"]
        ago = 10**9 if value is None else (self.today - value).days
        return ago >= node.get("days_ago_at_least", -(10**9)) and ago < node.get("days_ago_below", 10**10)

    @staticmethod
    def _between(node: dict, value: float) -> bool:
        return value >= node.get("at_least", -(10**18)) and value < node.get("below", 10**18)

    def _ratio(self, node: dict, who: int) -> bool:
        upper, lower = (self._value(name, who) for name in node["ratio"])
        return upper is not None and bool(lower) and self._between(node, float(upper) / float(lower))

    def _tag(self, node: dict, who: int) -> bool:
        tag = self.tags[node["tag"]]
        has = who in self.words and bool(self.words[who][f"w{tag.word}"] >> tag.bit & 1)
        return has is node["is"]

    def _lately(self, at: datetime | None, days: int | None) -> bool:
        return at is not None and at <= self.now and (days is None or (self.today - at.astimezone(SHANGHAI).date()).days < days)

    def _event(self, node: dict, who: int) -> bool:
        done = [one for one in self.events[who] if one["name"] == node["event"] and one["occurred_at"] <= self.now]
        if "last_before_days" in node:
            return bool(done) and not any(self._lately(one["occurred_at"], node["last_before_days"]) for one in done)
        for name, value in node.get("where", {}).items():
            done = [one for one in done if name in one["properties"] and same(one["properties"][name], value)]
        done = [
            one
            for one in done
            if self._lately(one["occurred_at"], node.get("within_days")) and node.get("channel", one["channel"]) == one["channel"]
        ]
        return (len(done) >= node.get("at_least", 1)) is node.get("did", True)

    def _fits(self, fund: int, traits: dict) -> bool:
        one = self.funds[fund]
        asked = {"fund": one.code, "asset_class": one.asset_class, "category": one.category, "company": one.company}
        return all(asked[name] == value for name, value in traits.items() if name in asked) and one.risk_grade >= traits.get(
            "grade_at_least", 0
        )

    def _order(self, node: dict, who: int) -> bool:
        origins = node.get("origin", ["investor", "proposal", "override"])
        done = [
            one for one in self.orders[who]
            if one["state"] != "rejected" and one["origin"] in origins and node["order"] in ("any", one["side"])
            and self._lately(one["placed_at"], node.get("within_days")) and self._fits(one["fund_id"], node)
        ]  # fmt: skip
        return (len(done) >= node.get("at_least", 1)) is node.get("did", True)

    def _holding(self, node: dict, who: int) -> bool:
        funds = self.holdings[who]
        if node.get("ever"):
            funds = [one["fund_id"] for one in self.orders[who] if one["side"] == "buy" and one["state"] == "confirmed"]
        return any(self._fits(fund, node["holding"]) for fund in funds) is node.get("is", True)

    def _message(self, node: dict, who: int) -> bool:
        moment = {"sent": "ended_at", "failed": "ended_at", "opened": "opened_at", "clicked": "clicked_at"}[node["message"]]
        done = [
            one for one in self.messages[who]
            if self._lately(one[moment], node.get("within_days")) and node.get("campaign", one["campaign_id"]) == one["campaign_id"]
            and (node["message"] not in ("sent", "failed") or one["status"] == node["message"])
        ]  # fmt: skip
        return bool(done) is node.get("did", True)

    def _campaign(self, node: dict, who: int) -> bool:
        return any(one["campaign_id"] == node["campaign"] for one in self.messages[who]) is node.get("is_in", True)

    def _resembles(self, node: dict, who: int) -> bool:
        seed = node["resembles"]
        if seed not in self.kin:
            self._compare(seed)
        most = node["nearest"] if "nearest" in node else self.compared[seed] * round(node["nearest_share"] * 10_000) // 10_000
        return (self.kin[seed].get(who, most + 1) <= most) is node.get("is_in", True)

    def _compare(self, seed: int) -> None:
        """Mean cosine to each member of the seed, one pair at a time; nobody where fewer than twenty members can be compared."""
        known = {
            who: vector for who, vector in self.vectors.items() if who in self.profiles and self.consents.get((who, "profiling"), False)
        }
        members = [who for who in known if self.holds(self.rules[seed], who) is True]
        others = [who for who in known if who not in members]

        def cosine(one: int, other: int) -> float:
            a, b = known[one], known[other]
            return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

        order = sorted(others, key=lambda who: -sum(cosine(who, one) for one in members)) if len(members) >= 20 else []
        self.kin[seed], self.compared[seed] = {who: place for place, who in enumerate(order, 1)}, len(order)

    def _next_action(self, node: dict, who: int) -> bool:
        one, person = self.actions.get(who), self.accounts[who]
        found = one is not None and one["kind"] in node["next_action"] and self._still_true(one, person)
        return found is node.get("is_in", True)

    def _still_true(self, one: dict, person: dict) -> bool:
        until, level = person["level_valid_until"], person["level"]
        valid = level is not None and until is not None and until >= self.today
        if person["recommendations_off_at"] is not None:
            return False
        if one["kind"] == "assess":
            return {
                "not_assessed": level is None,
                "level_expired": until is not None and until < self.today,
                "level_ending": until is not None and 0 <= (until - self.today).days <= 30,
            }[one["reason"]]
        if one["kind"] in ("learn", "place"):
            fund = self.funds.get(one["fund_id"])
            fits = fund is None or (
                fund.pk in self.pool
                and fund.risk_grade <= max(1, level or 0)
                and (level != 0 or fund.asset_class == "money_market")
                and (one["investor_id"], fund.pk) not in self.refused
            )
            return valid and fits and self.consents.get((one["investor_id"], "marketing"), False)
        if one["kind"] == "proposal":
            return valid and one["investor_id"] in self.asked
        return (valid and (one["kind"] != "plan" or self._plan_stopped(one["investor_id"]))) or one["kind"] == "silence"

    def _plan_stopped(self, who: int) -> bool:
        bought = [
            (self.today - order["placed_at"].astimezone(SHANGHAI).date()).days for order in self.orders[who]
            if (order["origin"], order["side"]) == ("plan", "buy") and order["state"] not in ("rejected", "cancelled")
        ]  # fmt: skip
        return min(bought, default=0) >= 45

    def _bucket(self, node: dict, who: int) -> bool:
        import hashlib

        digest, prime = hashlib.sha256(node["bucket"].encode()).digest(), 2**31 - 1
        multiplier, offset = 1 + int.from_bytes(digest[:8], "big") % (prime - 1), int.from_bytes(digest[8:16], "big") % prime
        return node.get("from", 0) <= (self.profiles[who]["bucket_seed"] * multiplier + offset) % prime % 10_000 < node["below"]


def same(one: object, other: object) -> bool:
    """Equal as JSON: true is not 1, 1.0 is."""
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def random_rule(seed: int) -> dict:
    """A rule of a seed: up to three levels of groups, every kind of condition in turn."""
    deal = random.Random(seed)
    campaigns = list(Campaign.objects.values_list("pk", flat=True))
    segments = list(Segment.objects.filter(name__startswith="Inner").values_list("pk", flat=True))

    def days() -> int:
        return deal.choice([1, 7, 30, 90, 365])

    def window() -> dict:
        return {"within_days": days()} if deal.random() < 0.7 else {}

    def did() -> dict:
        return {"did": deal.random() < 0.6}

    def traits() -> dict:
        named = [{"asset_class": "equity"}, {"category": "bond"}, {"company": "Company 3"}, {"fund": "000004"}, {"grade_at_least": 4}]
        return deal.choice([*named, {"asset_class": "gold", "grade_at_least": 3}])

    def bounds(low: float, high: float) -> dict:
        kind = deal.randrange(3)
        return {"at_least": low} if kind == 0 else {"below": high} if kind == 1 else {"at_least": low, "below": high}

    makers = [
        lambda: {"field": "dormancy", "is": deal.sample(["new", "active", "calm", "cooling", "dormant", "lost"], 2)},
        lambda: {"field": "level", "is": deal.sample([0, 1, 2, 3, 4, 5, None], 3)},
        lambda: {"field": "language", "is": deal.choice([["en"], ["", "en"], [None]])},
        lambda: {"field": "top_category", "is": deal.choice([["equity"], ["", "bond"]])},
        lambda: {"field": "assets_minor"} | bounds(10_000_000, 30_000_000),
        lambda: {"field": "net_flow_90d_minor"} | bounds(-1_000_000, 2_000_000),
        lambda: {"field": "p_alive"} | bounds(0.25, 0.75),
        lambda: {"field": "n_visits_30d"} | bounds(3, 12),
        lambda: {"field": "elder_mode", "is": deal.random() < 0.5},
        lambda: (
            {"field": "last_visit_at"}
            | deal.choice([{"days_ago_at_least": days()}, {"days_ago_below": days()}, {"days_ago_at_least": 2, "days_ago_below": 60}])
        ),
        lambda: {"field": "joined_date", "days_ago_below": days()},
        lambda: {"field": "first_goal_date"} | deal.choice([{"in_days_below": days()}, {"days_ago_at_least": days()}]),
        lambda: {"field": "consent", "purpose": deal.choice(["marketing", "profiling"]), "is": deal.random() < 0.5},
        lambda: (
            {"ratio": deal.choice([["idle_cash_minor", "assets_minor"], ["assets_minor", "idle_cash_minor"], ["p_alive", "n_holdings"]])}
            | bounds(0.05, 5)
        ),
        lambda: {"tag": deal.choice(["t-a", "t-b", "t-c", "t-d"]), "is": deal.random() < 0.5},
        lambda: (
            {"event": deal.choice(["fund", "search", "fees_seen"])}
            | did()
            | window()
            | deal.choice([{}, {"at_least": 2}, {"channel": "web"}])
        ),
        lambda: (
            {"event": deal.choice(["fund", "search"])}
            | did()
            | window()
            | {
                "where": {"n": deal.choice([1, "1", True, "true", "[1]"])}
                if deal.random() < 0.7
                else {"theme": deal.choice(["黄金𠮷😀", 'it\'s "quoted" %s'])}
            }
        ),
        lambda: {"event": deal.choice(["calculator_used", "fees_seen"]), "last_before_days": days()},
        lambda: (
            {"order": deal.choice(["any", "buy", "sell"])}
            | did()
            | window()
            | deal.choice([{}, {"at_least": 2}, {"origin": ["plan"]}, traits()])
        ),
        lambda: {"holding": traits(), "is": deal.random() < 0.6, "ever": deal.random() < 0.5},
        lambda: (
            {"message": deal.choice(["sent", "opened", "clicked", "failed"])}
            | did()
            | window()
            | deal.choice([{}, {"campaign": campaigns[0]}])
        ),
        lambda: {"campaign": deal.choice(campaigns), "is_in": deal.random() < 0.5},
        lambda: {"bucket": deal.choice(["a", "盐"]), "from": deal.choice([0, 2_000]), "below": deal.choice([5_000, 10_000])},
        lambda: (
            {"resembles": deal.choice(segments), "is_in": deal.random() < 0.7}
            | deal.choice([{"nearest": 3}, {"nearest": 25}, {"nearest_share": 0.1}, {"nearest_share": 0.0333}])
            if segments
            else {"tag": "t-b", "is": True}
        ),
        lambda: {
            "next_action": deal.choice([["place"], ["learn", "place"], ["assess"], ["goal", "silence"], ["plan"], ["proposal", "plan"]]),
            "is_in": deal.random() < 0.7,
        },
        lambda: {"segment": deal.choice(segments), "is_in": deal.random() < 0.5} if segments else {"campaign": campaigns[0]},
    ]

    def node(depth: int, at: int) -> dict:
        if depth == 0 or deal.random() < 0.35:
            return makers[(seed + at * 7) % len(makers)]() if deal.random() < 0.5 else deal.choice(makers)()
        return {deal.choice(["all", "any", "any", "not"]): [node(depth - 1, at + k) for k in range(deal.randint(2, 3))]}

    return {"version": 1, "rule": {deal.choice(["all", "any", "not"]): [node(2, k) for k in range(deal.randint(2, 4))]}}
