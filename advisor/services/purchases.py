"""Purchases that an investor starts: at once within the level, above it only warned, after time to think, and confirmed again.

    open -> ordered                                   within the level
    open -> warned -> waiting -> ordered              above it, or of the highest grade
    open | warned | waiting -> withdrawn | lapsed

The gate decides when the purchase is started and once more when it is ordered; both decisions are kept, whatever they say.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import get_language

from advisor.errors import Refused
from advisor.jurisdictions.purchases import purchase_rules
from advisor.kernels.suitability import Decision, Verdict, Way
from advisor.models import Clearance, Goal, Investor, OwnPurchase, OwnPurchaseEvent, RecordKind
from advisor.models.purchases import LIVE
from advisor.selectors.purchases import sha256_of, warning_kind, warning_words
from advisor.services.capacity import account_holder
from advisor.services.record import append_record
from advisor.services.suitability import clear
from config.jobs import ring_by_name
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund, Order, Portfolio
from portfolios.services import LedgerRefusal, OrderRequest, place_order

CONFIRM_TASK = "portfolios.confirm_orders"
ROWS_A_WRITE = 500
State = OwnPurchase.State


@dataclass(frozen=True, slots=True)
class Wish:
    """What an investor asks for: a fund for one of their goals, and the form's key, which makes it one purchase."""

    goal: Goal
    fund: Fund
    amount_minor: int
    key: UUID


def start_purchase(*, wish: Wish, actor: Any) -> OwnPurchase:
    """Write the gate's decision and, unless it forbids, an open purchase; the same key again returns the one it made.

    Raises Refused for what the money or the gate does not allow; a decision that forbids is kept all the same.
    """
    investor = wish.goal.account.investor
    if actor.pk != investor.user_id:
        raise Refused("not_your_purchase")
    own_key = uuid5(wish.key, str(investor.pk))
    check_money(wish.goal, wish.amount_minor)
    try:
        with transaction.atomic():
            # Fresh and held: a level that falls at this moment falls before or after the decision, not beside it.
            investor = Investor.objects.select_for_update(of=("self",)).get(pk=investor.pk)
            if made := OwnPurchase.objects.filter(request_key=own_key).first():
                return made
            cleared = clear(
                investor=investor,
                portfolio_id=wish.goal.portfolio_id or 0,
                fund=wish.fund,
                side=Order.Side.BUY,
                amount_minor=wish.amount_minor,
            )
            if cleared.verdict != Verdict.FORBID:
                return _open(wish, investor, cleared, own_key)
    except IntegrityError:  # the other of two clicks was quicker
        return OwnPurchase.objects.get(request_key=own_key)
    raise refusal_of(cleared)


def check_money(goal: Goal, amount_minor: int) -> None:
    """Write nothing; raise Refused for an amount that is too small, or that the goal has no cash for."""
    smallest = jurisdiction().min_purchase_minor
    if amount_minor < smallest:
        raise Refused("below_smallest_purchase", smallest_minor=smallest)
    cash = Portfolio.objects.filter(pk=goal.portfolio_id or 0).values_list("cash_minor", flat=True).first() or 0
    if amount_minor > cash:
        raise Refused("not_enough_cash", goal=goal.name, cash_minor=cash, missing_minor=amount_minor - cash)


def refusal_of(cleared: Clearance) -> Refused:
    """Why the gate does not let this purchase through, as the one reason that the person is told."""
    codes = ("no_level", "level_expired", "fund_closed", "only_class")
    code = next((code for code in codes if code in cleared.reasons), "above_level")
    return Refused(code if code != "fund_closed" else "fund_not_open", level=cleared.level, grade=cleared.risk_grade)


def _decision(cleared: Clearance) -> Decision:
    return Decision(Verdict(cleared.verdict), tuple(cleared.reasons))


def _open(wish: Wish, investor: Investor, cleared: Clearance, own_key: UUID) -> OwnPurchase:
    purchase = OwnPurchase.objects.create(
        investor=investor,
        goal=wish.goal,
        fund=wish.fund,
        amount_minor=wish.amount_minor,
        level=cleared.level or 0,
        risk_grade=cleared.risk_grade,
        warning_kind=warning_kind(_decision(cleared)),
        lapses_at=timezone.now() + timedelta(days=purchase_rules().lapse_days),
        first_clearance=cleared,
        request_key=own_key,
    )
    OwnPurchaseEvent.objects.create(purchase=purchase, to_state=State.OPEN, actor=investor.user, why="started by the investor")
    return purchase


def show_warning(*, purchase: OwnPurchase, actor: Any) -> OwnPurchase:
    """Write the warning as it is shown now, in the reader's language, with its hash and time; safe to repeat.

    The same words again write nothing. A purchase that waits already, or has ended, keeps what was acknowledged.
    """
    words, language = warning_words(purchase), get_language() or ""
    sha256 = sha256_of(words)
    if not purchase.warning_kind or not purchase.is_live or purchase.warning_sha256 == sha256:
        return purchase
    now = timezone.now()
    shown = {"warning_text": words, "warning_sha256": sha256, "warning_language": language, "warned_at": now}
    with transaction.atomic():
        unread = OwnPurchase.objects.filter(pk=purchase.pk, state__in=[State.OPEN, State.WARNED]).exclude(warning_sha256=sha256)
        if unread.update(state=State.WARNED, **shown):
            OwnPurchaseEvent.objects.create(purchase=purchase, to_state=State.WARNED, actor=actor, why=f"shown in {language}"[:300])
            append_record(investor_id=purchase.investor_id, kind=RecordKind.WARNING, payload=_facts(purchase) | _shown(shown), at=now)
    purchase.refresh_from_db()
    return purchase


def acknowledge_warning(*, purchase: OwnPurchase, actor: Any, seen_sha256: str) -> OwnPurchase:
    """Write that the warning was read and the purchase is wanted all the same; from now runs the time to think. Safe to repeat.

    Raises Refused for a warning other than the one last shown.
    """
    rules, now = purchase_rules(), timezone.now()
    may_order_at = now + timedelta(hours=rules.wait_hours)
    said = {"acknowledged_at": now, "may_order_at": may_order_at, "lapses_at": may_order_at + timedelta(days=rules.lapse_days)}
    _check_own(purchase, actor)
    with transaction.atomic():
        warned = OwnPurchase.objects.filter(pk=purchase.pk, state=State.WARNED, lapses_at__gt=now)
        if warned.filter(warning_sha256=seen_sha256).exclude(warning_sha256="").update(state=State.WAITING, **said):
            OwnPurchaseEvent.objects.create(purchase=purchase, to_state=State.WAITING, actor=actor, why="acknowledged")
            times = {name: at.isoformat() for name, at in said.items()}
            payload = _facts(purchase) | {"sha256": seen_sha256, "language": purchase.warning_language} | times
            append_record(investor_id=purchase.investor_id, kind=RecordKind.WARNING_ACKNOWLEDGED, payload=payload, at=now)
        elif warned.exists():
            raise Refused("warning_changed")
    purchase.refresh_from_db()
    return purchase


def order_purchase(*, purchase: OwnPurchase, actor: Any) -> OwnPurchase:
    """Write the gate's decision of this moment and, where it holds, the order; a purchase that was ordered stays as it is.

    Raises Refused while the time to think runs, once it has lapsed, when the level or the grade is another than the one that
    was confirmed or warned of, and for what the ledger refuses. The decision is kept all the same.
    """
    _check_own(purchase, actor)
    with transaction.atomic():
        investor = Investor.objects.select_for_update(of=("self",)).get(pk=purchase.investor_id)
        row = OwnPurchase.objects.select_related("fund", "goal__account").get(pk=purchase.pk)
        if row.state == State.ORDERED:
            return row
        _check_time(row)
        cleared = clear(
            investor=investor,
            portfolio_id=row.goal.portfolio_id or 0,
            fund=row.fund,
            side=Order.Side.BUY,
            amount_minor=row.amount_minor,
        )
        refused = _why_not_now(row, cleared) or _place(row, cleared, actor)
    if refused is not None:
        raise refused
    return row


def _check_own(purchase: OwnPurchase, actor: Any) -> None:
    if actor.pk != purchase.investor.user_id:
        raise Refused("not_your_purchase")


def _check_time(row: OwnPurchase) -> None:
    if row.state not in LIVE:
        raise Refused("purchase_ended")
    if not row.is_live:
        raise Refused("purchase_lapsed")
    if row.warning_kind and row.state != State.WAITING:
        raise Refused("not_acknowledged")
    if row.warning_kind and not row.is_due:
        raise Refused("must_wait", at=timezone.localtime(row.may_order_at).strftime("%Y-%m-%d %H:%M"))


def _why_not_now(row: OwnPurchase, cleared: Clearance) -> Refused | None:
    """A warning counts for the level and the grade that it names; anything else is another purchase."""
    decision = _decision(cleared)
    is_same = (row.level, row.risk_grade, row.warning_kind) == (cleared.level, cleared.risk_grade, warning_kind(decision))
    if decision.verdict == Verdict.FORBID:
        return refusal_of(cleared)
    is_warned = is_same and row.acknowledged_at is not None
    return None if decision.allows(Way.OWN, is_warned=is_warned) else Refused("changed_since_started")


def _place(row: OwnPurchase, cleared: Clearance, actor: Any) -> Refused | None:
    """Place the order and move to ordered, or say why not with neither written."""
    request = OrderRequest(
        portfolio_id=cleared.portfolio_id,
        fund_id=row.fund_id,
        side=Order.Side.BUY,
        origin=Order.Origin.INVESTOR,
        clearance_id=cleared.pk,
        idempotency_key=f"own:{row.pk}",
        amount_minor=row.amount_minor,
        actor=actor,
        holder=account_holder(row.goal.account_id),
    )
    try:
        with transaction.atomic():
            order = place_order(request)
            if not _move(row, (State.OPEN, State.WAITING), State.ORDERED, actor, clearance=cleared):
                raise Refused("purchase_ended")  # withdrawn at this very moment
            decided = {"clearance": str(cleared.pk), "verdict": cleared.verdict, "reasons": cleared.reasons}
            payload = _facts(row) | decided | {"order": order.pk}
            append_record(investor_id=row.investor_id, kind=RecordKind.PURCHASE, payload=payload)
    except LedgerRefusal as error:
        return ledger_refusal(error, row.goal)
    ring_by_name(CONFIRM_TASK, queue="now")
    return None


def ledger_refusal(error: LedgerRefusal, goal: Goal) -> Refused:
    """What the ledger does not do, in the words of a purchase or redemption of one's own."""
    if error.code == "insufficient_cash":
        needed, cash = error.params["needed_minor"], error.params["cash_minor"]
        return Refused("not_enough_cash", goal=goal.name, cash_minor=cash, missing_minor=needed - cash)
    known = {"fund_full": "purchase_fund_full", "daily_limit": "purchase_daily_limit", "insufficient_units": "not_enough_units"}
    if error.code in known:
        return Refused(known[error.code], **error.params)
    return Refused("fund_not_open" if error.code == "fund_closed" else "order_refused", reason=error.code)


def withdraw_purchase(*, purchase: OwnPurchase, actor: Any) -> bool:
    """Write that the investor does not want it any more; False when it had ended before. Safe to repeat."""
    _check_own(purchase, actor)
    with transaction.atomic():
        return _move(purchase, LIVE, State.WITHDRAWN, actor)


def lapse_purchases(limit: int = 5_000) -> int:
    """Write the end of purchases that nobody confirmed in time, in short transactions; returns how many. Safe to repeat."""
    due = OwnPurchase.objects.filter(state__in=LIVE, lapses_at__lte=timezone.now()).order_by("lapses_at")
    n_lapsed = 0
    for start in range(0, limit, ROWS_A_WRITE):
        rows = list(due[: min(ROWS_A_WRITE, limit - start)])
        if not rows:
            break
        with transaction.atomic():
            n_lapsed += sum(_move(row, LIVE, State.LAPSED, None, "not confirmed in time") for row in rows)
    return n_lapsed


def _move(purchase: OwnPurchase, from_states: tuple[Any, ...], to_state: Any, actor: Any, why: str = "", **fields: Any) -> bool:
    """A guarded UPDATE with its event, inside the caller's transaction; False when somebody else moved it first."""
    if not OwnPurchase.objects.filter(pk=purchase.pk, state__in=from_states).update(state=to_state, **fields):
        return False
    OwnPurchaseEvent.objects.create(purchase=purchase, to_state=to_state, actor=actor, why=why)
    purchase.refresh_from_db()
    return True


def _facts(purchase: OwnPurchase) -> dict[str, Any]:
    return {
        "purchase": purchase.pk,
        "goal": purchase.goal_id,
        "fund": purchase.fund.code,
        "amount_minor": purchase.amount_minor,
        "level": purchase.level,
        "risk_grade": purchase.risk_grade,
        "warning_kind": purchase.warning_kind,
    }


def _shown(shown: dict[str, Any]) -> dict[str, Any]:
    return {
        "text": shown["warning_text"],
        "sha256": shown["warning_sha256"],
        "language": shown["warning_language"],
        "rules": purchase_rules().version,
    }
