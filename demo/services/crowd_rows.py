"""The rows of people with short lives: who they are, their assessments, goals and proposals, and what they saw."""

import hashlib
import json
from datetime import date
from functools import cache
from typing import Any

import numpy as np

from advisor.jurisdictions import advice_rules
from advisor.kernels.risk_profile import Profile
from advisor.models import Account, Assessment, Consent, Goal, GoalEvent, Household, Investor, LevelChange, Proposal, ProposalEvent
from advisor.services.assessments import valid_until_from
from advisor.services.people import PSEUDONYM_LETTERS
from config.jobs import Job
from demo.crowd import KINDS, NEVER, Ints
from demo.logins import DOMAIN
from demo.people import GOALS
from demo.services.crowd_desk import Desk, Part, StoredOffer, Times, as_dates
from demo.services.people import SHARE_ONLINE
from demo.services.rows import next_keys
from demo.services.stage import at
from identity.models import User

ASSESSED_AT = -60  # minutes after half past nine, and up to an hour later: before the first order of the day
WHY_ASSESSED = "assessment completed"


def make_investors(part: Part, desk: Desk) -> tuple[Ints, Ints]:
    """Users, households, investors, consents; returns keys of users and investors."""
    crowd, here, n = part.block.crowd, part.people, part.n
    joined = _joined_at(part, desk)
    users, investors = next_keys(User, n), next_keys(Investor, n)
    part.rows.add(
        User,
        n,
        id=users,
        email=[f"p{number:06d}@{DOMAIN}" for number in range(crowd.first + here.start, crowd.first + here.stop)],
        name=crowd.names[here],
        password="!simulated",  # noqa: S106  no password opens it
        language=np.where(crowd.speaks_english[here], "en", "zh-hans"),
        date_joined=joined,
    )
    part.rows.add(User.groups.through, n, user_id=users, group_id=desk.investors_group)
    households = _make_households(part, desk)
    letters = np.array(list(PSEUDONYM_LETTERS))[(crowd.luck[here, 2:] * len(PSEUDONYM_LETTERS)).astype(np.int64)]
    level_from = np.where(crowd.renewed < NEVER, crowd.renewed, crowd.joined)[here]
    part.rows.add(
        Investor,
        n,
        id=investors,
        user_id=users,
        household_id=households,
        pseudonym=["P" + "".join(row) for row in letters.tolist()],
        level=crowd.last_level[here],
        level_valid_until=[_valid_until(desk.scenery.tape.date(session)) for session in level_from.tolist()],
        is_simulated=True,
        joined_at=joined,
        last_seen_at=part.block.last_seen(desk)[here],
    )
    for purpose, given in (
        (Consent.Purpose.TERMS, True),
        (Consent.Purpose.PROFILING, crowd.agrees_to_profiling[here]),
        (Consent.Purpose.MARKETING, crowd.agrees_to_marketing[here]),
    ):
        part.rows.add(Consent, n, investor_id=investors, purpose=purpose.value, is_given=given, source="simulated", at=joined)
    return users, investors


def _joined_at(part: Part, desk: Desk) -> Times:
    crowd = part.block.crowd
    return desk.when(crowd.joined[part.people], 5 + crowd.minute[part.people] % 30)


def _make_households(part: Part, desk: Desk) -> Ints:
    """A household each, or that of the person before; nobody here has an advisor of their own."""
    crowd = part.block.crowd
    heads = ~crowd.joins_household[part.people]
    heads[0] = True  # the person before may have a full life
    places = part.people.start + np.flatnonzero(heads)
    keys = next_keys(Household, len(places))
    branch = desk.branches[(crowd.luck[places, 1] * len(desk.branches)).astype(np.int64)]
    part.rows.add(
        Household,
        len(places),
        id=keys,
        name=[f"{crowd.names[place]}家" for place in places.tolist()],
        branch_id=np.where(crowd.luck[places, 0] < SHARE_ONLINE, desk.online, branch),
    )
    return keys[np.cumsum(heads) - 1]


@cache
def _valid_until(day: date) -> str:
    return valid_until_from(at(day, 0)).isoformat()


def make_assessments(part: Part, investors: Ints, desk: Desk) -> tuple[Ints, Ints]:
    """Completed sheets and the changes of level they made; returns keys of each person's first and last sheet."""
    crowd, start = part.block.crowd, part.people.start
    pairs = [(place, turn) for place in range(start, part.people.stop) for turn in range(len(crowd.sheets[place]))]
    place, turn = np.array(pairs, dtype=np.int64).T
    session = np.where(turn == 0, crowd.joined[place], crowd.renewed[place])
    done_at = desk.when(session, ASSESSED_AT + crowd.minute[place] % 60)
    done_at = np.maximum(done_at, _joined_at(part, desk)[place - start])
    profiles = [crowd.profiles[at_place][at_turn] for at_place, at_turn in pairs]
    first_goal = np.searchsorted(crowd.plans.person, place)
    instrument, amounts = desk.scenery.instrument, crowd.plans.amount_minor[first_goal].tolist()
    softs = [desk.scenery.soft_of(crowd.sheets[one][turn], amount) for (one, turn), amount in zip(pairs, amounts, strict=True)]
    keys = next_keys(Assessment, len(pairs))
    level = np.array([profile.level for profile in profiles])
    part.rows.add(
        Assessment,
        len(pairs),
        id=keys,
        investor_id=investors[place - start],
        state=Assessment.State.COMPLETED.value,
        instrument=instrument.key,
        instrument_sha256=instrument.sha256,
        answers=[json.dumps(crowd.sheets[at_place][at_turn]) for at_place, at_turn in pairs],
        amount_minor=amounts,
        soft_confirmed=[json.dumps(codes) for codes in softs],
        tolerance=[profile.blend.tolerance for profile in profiles],
        capacity=[profile.blend.capacity for profile in profiles],
        score=[profile.blend.score for profile in profiles],
        raw_level=[profile.blend.raw_level for profile in profiles],
        level=level,
        confidence=[profile.confidence for profile in profiles],
        stated_loss=[profile.stated_loss for profile in profiles],
        working=[
            json.dumps(_working(profile, agreed, codes))
            for profile, agreed, codes in zip(profiles, crowd.agrees_to_profiling[place].tolist(), softs, strict=True)
        ],
        started_at=done_at,
        completed_at=done_at,
    )
    part.rows.add(
        LevelChange,
        len(pairs),
        investor_id=investors[place - start],
        from_level=[before if at_turn else None for before, at_turn in zip(crowd.first_level[place].tolist(), turn.tolist(), strict=True)],
        to_level=level,
        assessment_id=keys,
        why=WHY_ASSESSED,
        at=done_at,
    )
    ends = np.append(np.flatnonzero(turn == 0)[1:], len(pairs)) - 1
    return keys[turn == 0], keys[ends]


def _working(profile: Profile, has_consent: bool, soft_confirmed: list[str]) -> dict[str, Any]:
    """As advisor.services.scoring.write_profile has it."""
    said = {"rules": advice_rules().version, "profiling_consent": has_consent}
    return profile.as_json() | said | ({"soft_confirmed": soft_confirmed} if soft_confirmed else {})


def make_goals(part: Part, investors: Ints, portfolios: Ints, desk: Desk) -> Ints:
    """Accounts and goals, each with the portfolio it was funded with (-1: none); returns keys of the goals."""
    crowd, here = part.block.crowd, part.plans
    plans, n = crowd.plans, here.stop - here.start
    accounts, keys = next_keys(Account, part.n), next_keys(Goal, n)
    person, joined = plans.person[here], _joined_at(part, desk)
    made = np.maximum(desk.when(plans.start[here] - 1, 20 + crowd.minute[person] % 30), joined[person - part.people.start])
    kinds = [KINDS[kind] for kind in plans.kind[here].tolist()]
    part.rows.add(Account, part.n, id=accounts, investor_id=investors, opened_at=joined)
    part.rows.add(
        Goal,
        n,
        id=keys,
        account_id=accounts[person - part.people.start],
        portfolio_id=[key if key > 0 else None for key in portfolios.tolist()],
        name=[GOALS[kind][2] for kind in kinds],
        kind=kinds,
        amount_minor=plans.amount_minor[here],
        target_date=as_dates(plans.target[here]),
        made_at=made,
    )
    part.rows.add(GoalEvent, n, goal_id=keys, kind="made", at=made)
    return keys


def make_proposals(part: Part, goals: Ints, users: Ints, assessments: tuple[Ints, Ints], desk: Desk) -> None:
    """The accepted proposal of each goal that was funded, with its transitions."""
    crowd, ledgers = part.block.crowd, part.block.ledgers
    places = [place for place in range(part.plans.start, part.plans.stop) if ledgers.offers[place] is not None]
    n, start = len(places), crowd.plans.start[places]
    person = crowd.plans.person[places]
    again = (start >= crowd.renewed[person]).tolist()
    turn = [int(assessments[renewed][at_place]) for renewed, at_place in zip(again, (person - part.people.start).tolist(), strict=True)]
    levels = crowd.level_on(person, start).tolist()
    goal = goals[np.array(places, dtype=np.int64) - part.plans.start]
    inputs = [
        {
            "goal": int(goal[row]),
            "assessment": turn[row],
            "person_level": levels[row],
            "level": int(ledgers.level[place]),
            "stated_loss": crowd.profiles[crowd.plans.person[place]][again[row]].stated_loss,
            "horizon_years": round(float(crowd.plans.years[place]), 2),
            "amount_minor": int(crowd.plans.amount_minor[place]),
            "funding": "deposit",
            **_stored(part, place).frozen,
        }
        for row, place in enumerate(places)
    ]
    when, keys = desk.when(start, 0), next_keys(Proposal, n)
    part.rows.add(
        Proposal,
        n,
        id=keys,
        goal_id=goal,
        assessment_id=turn,
        level=ledgers.level[places],
        state=Proposal.State.ACCEPTED.value,
        status=Job.Status.DONE.value,
        inputs=[json.dumps(row) for row in inputs],
        inputs_sha256=[hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest() for row in inputs],
        result=[_stored(part, place).result for place in places],
        queued_at=when,
        accepted_at=when,
        finished_at=when,
    )
    for state in (Proposal.State.WORKING, Proposal.State.READY):
        part.rows.add(ProposalEvent, n, proposal_id=keys, to_state=state.value, at=when)
    actors = users[person - part.people.start]
    part.rows.add(ProposalEvent, n, proposal_id=keys, to_state=Proposal.State.ACCEPTED.value, actor_id=actors, at=when)


def _stored(part: Part, place: int) -> StoredOffer:
    offer = part.block.ledgers.offers[place]
    if not isinstance(offer, StoredOffer):
        raise TypeError("only a funded goal has a stored proposal")
    return offer
