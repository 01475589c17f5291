"""How often somebody may answer, drafts that are left, answers that do not go together, and two tabs at once."""

from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread

import pytest
import time_machine
from django.db import connection

from advisor.errors import Refused
from advisor.instruments import load_instrument
from advisor.kernels.risk_profile import AnswerError
from advisor.models import AdviceRecord, Assessment, Investor, LevelChange
from advisor.selectors import decide_for, sentence
from advisor.selectors.level_words import moved_sentence, remarks_of
from advisor.selectors.reassessment import may_assess
from advisor.services import (
    complete_assessment,
    request_level_review,
    return_level_review,
    save_answer,
    sign_level_review,
    start_assessment,
)
from portfolios.models import Fund
from tests.advisor.level_world import MONEY, answers_for, assess, fill

REASON = "She cannot answer again before March."
BEFORE_MIDNIGHT = datetime(2026, 3, 2, 15, 50, tzinfo=UTC)  # 23:50 in Shanghai


def refused(work, *args, **kwargs) -> Refused:
    with pytest.raises(Refused) as found:
        work(*args, **kwargs)
    assert sentence(found.value.code, found.value.params)
    return found.value


def start(investor):
    return start_assessment(investor=investor, amount_minor=MONEY)


@pytest.mark.django_db
def test_two_a_day_end_at_shanghai_midnight_and_refused_attempts_do_not_count(people):
    investor = people.anna_investor
    with time_machine.travel(BEFORE_MIDNIGHT, tick=False) as clock:
        assess(investor, 3)
        incomplete = start(investor)
        with pytest.raises(AnswerError):  # a refused attempt
            complete_assessment(assessment=incomplete)
        assert may_assess(investor) == (True, "", None)
        assess(investor, 3)
        told = refused(start, investor)
        assert (told.code, told.params["free_on"]) == ("day_limit", date(2026, 3, 3))
        assert may_assess(investor) == (False, "day_limit", date(2026, 3, 3))
        # A draft that another tab had open before is refused too, and stays as it is.
        draft = Assessment.objects.create(
            investor=investor, instrument=incomplete.instrument, instrument_sha256=incomplete.instrument_sha256
        )
        fill(draft, answers_for(4))
        assert refused(complete_assessment, assessment=draft).code == "day_limit"
        clock.shift(timedelta(minutes=10, seconds=1))
        assert may_assess(investor) == (True, "", None)
        assert complete_assessment(assessment=draft).state == "completed"
        assert Assessment.objects.filter(state="completed").count() == 3


@pytest.mark.django_db
def test_eight_in_twelve_months_a_valid_level_stays_and_a_signed_review_restores_an_old_one(people):
    investor = people.anna_investor
    with time_machine.travel(BEFORE_MIDNIGHT, tick=False) as clock:
        row = assess(investor, 3)
        plain = {"investor": investor, "state": "completed", "level": 3, "instrument": row.instrument, "answers": row.answers}
        days = [timedelta(days=20 * n) for n in range(1, 8)]
        Assessment.objects.bulk_create([Assessment(**plain, completed_at=BEFORE_MIDNIGHT + day) for day in days])
        clock.move_to(BEFORE_MIDNIGHT + timedelta(days=200))
        told = refused(start, investor)
        assert (told.code, told.params["free_on"]) == ("year_limit", date(2027, 3, 2))
        investor.refresh_from_db()
        assert investor.has_valid_level()
        assert (
            refused(request_level_review, investor=investor, advisor=people.ada, kind="restore", reason=REASON).code == "level_still_valid"
        )

        # The level runs out before the window frees: nothing is recommended, and an advisor's request alone changes nothing.
        Investor.objects.update(level_valid_until=date(2026, 9, 1))
        investor.refresh_from_db()
        fund = Fund(code="MM1", category="money", asset_class="money_market", risk_grade=1, is_open=True)
        assert decide_for(investor, fund).reasons == ("level_expired",) and decide_for(investor, fund, "sell").verdict == "recommend"
        review = request_level_review(investor=investor, advisor=people.ada, kind="restore", reason=REASON)
        assert refused(request_level_review, investor=investor, advisor=people.ada, kind="restore", reason=REASON).code == "review_waits"
        assert not Investor.objects.get(pk=investor.pk).has_valid_level()
        signed = sign_level_review(review=review, supervisor=people.sue)
        investor.refresh_from_db()
        assert (signed.state, investor.level, investor.level_valid_until) == ("signed", 3, date(2027, 3, 2))
        assert refused(sign_level_review, review=review, supervisor=people.sue).code == "review_decided"
        assert refused(start, investor).code == "year_limit", "never another attempt"
        assert list(LevelChange.objects.values_list("to_level", flat=True)) == [3]
        kinds = AdviceRecord.objects.filter(investor=investor).order_by("seq").values_list("kind", flat=True)
        assert list(kinds) == ["assessment", "level", "level_review", "level", "level_review"]

        # At midnight of the same day a year later the first one counts no more.
        clock.move_to(datetime(2027, 3, 1, 15, 59, tzinfo=UTC))
        assert not may_assess(investor)[0]
        clock.move_to(datetime(2027, 3, 1, 16, 0, tzinfo=UTC))
        assert may_assess(investor)[0] and start(investor).state == "draft"
        review = request_level_review(investor=investor, advisor=people.ada, kind="age", reason=REASON)
        assert return_level_review(review=review, supervisor=people.sue, answer="The papers are missing.").state == "returned"


@pytest.mark.django_db
def test_a_draft_whose_questionnaire_was_replaced_moves_what_fits_and_is_not_completed_as_it_is(people, monkeypatch):
    investor, other = (
        people.anna_investor,
        load_instrument("standard@2" if start(people.ben_investor).instrument == "standard@1" else "standard@1"),
    )
    draft = fill(start(investor), answers_for(3), seconds={"income": 9}, positions={"income": 2})
    for module in ("drafts", "assessments"):
        monkeypatch.setattr(f"advisor.services.{module}.current_instrument", lambda: other)
    assert refused(complete_assessment, assessment=draft).code == "other_version"
    moved = start(investor)
    draft.refresh_from_db()
    lost = moved.working["moved"]["lost"]
    assert (moved.instrument, draft.state, moved.started_at) == (other.key, "abandoned", draft.started_at)
    assert moved.answers.keys() | set(lost) == draft.answers.keys() and all(other.item(c).option(o) for c, o in moved.answers.items())
    assert moved.seconds == {"income": 9} and "version" in moved_sentence(moved.working["moved"])
    assert moved_sentence({}) == "" and moved_sentence({"lost": ["a", "b"]}) != moved_sentence({"lost": []})
    for wrong, version in [(moved, draft.instrument), (draft, draft.instrument)]:  # another version's page, and a draft set aside
        with pytest.raises(AnswerError) as told:
            save_answer(assessment=wrong, item="income", option="steady", instrument=version)
        assert told.value.code == ("other_version" if wrong is moved else "closed")
    with pytest.raises(AnswerError, match="closed"):
        complete_assessment(assessment=draft)
    Assessment.objects.filter(pk=moved.pk).update(instrument="gone@1")
    moved.refresh_from_db()
    with pytest.raises(AnswerError, match="other_version"):
        save_answer(assessment=moved, item="income", option="steady")
    assert start(investor).answers.keys() == moved.answers.keys()


@pytest.mark.django_db
def test_answers_after_a_month_count_no_more(people):
    investor = people.anna_investor
    with time_machine.travel(BEFORE_MIDNIGHT, tick=False) as clock:
        draft = fill(start(investor), answers_for(3))
        clock.shift(timedelta(days=30))
        assert save_answer(assessment=draft, item="income", option=draft.answers["income"]).pk == draft.pk
        clock.shift(timedelta(seconds=1))
        assert refused(complete_assessment, assessment=draft).code == "draft_expired"
        with pytest.raises(AnswerError, match="draft_expired"):
            save_answer(assessment=draft, item="income", option=draft.answers["income"])
        assert start(investor).answers == {}
        assert refused(start_assessment, investor=people.ben_investor, amount_minor=-1).code == "amount_not_positive"


@pytest.mark.django_db
def test_hard_contradictions_stop_and_soft_ones_wait_to_be_confirmed_and_are_counted(people, monkeypatch):
    instrument = load_instrument("standard@2")
    for module in ("drafts", "assessments"):
        monkeypatch.setattr(f"advisor.services.{module}.current_instrument", lambda: instrument)
    plain = answers_for(3, "standard@2")
    hard = next(rule for rule in instrument.contradictions if rule.is_hard)
    soft = next(
        rule for rule in instrument.contradictions if not rule.is_hard and not rule.wealth_above_minor and not rule.wealth_below_minor
    )
    pick = [{code: options[0] for code, options in rule.when[0].items()} for rule in (hard, soft)]
    draft = fill(start(people.anna_investor), plain | pick[0])
    told = refused(complete_assessment, assessment=draft, confirmed=[hard.code])
    assert told.code == "contradiction" and hard.code in told.params["codes"]
    fill(draft, plain | pick[1])
    found = [one.code for one in instrument.contradictions_in(plain | pick[1], MONEY)]
    told = refused(complete_assessment, assessment=draft)
    assert told.code == "confirm" and told.params["codes"] == found
    assert Assessment.objects.get(pk=draft.pk).state == "draft" and not LevelChange.objects.exists()
    done = complete_assessment(assessment=draft, confirmed=[*found, "something-else"])
    assert done.soft_confirmed == found and done.working["soft_confirmed"] == found
    alone = fill(start(people.ben_investor), plain | pick[1])
    monkeypatch.setattr("advisor.services.assessments._confirmed_of", lambda *_: [])
    assert done.working["blend"]["spread"] == pytest.approx(
        complete_assessment(assessment=alone).working["blend"]["spread"] + 0.05 * len(found)
    )


@pytest.mark.django_db
def test_a_sheet_clicked_through_counts_as_low_confidence_and_a_clock_set_back_is_said(people):
    investor = people.anna_investor
    with time_machine.travel(BEFORE_MIDNIGHT, tick=False) as clock:
        done = assess(investor, 3, seconds=dict.fromkeys(answers_for(3), 1))
        assert (done.confidence, done.working["low_quality"]) == ("low", True) and remarks_of(done.working)
        clock.shift(timedelta(days=-5))
        again = assess(investor, 3)
        assert again.completed_at == done.completed_at + timedelta(microseconds=1)
        assert again.working["clock_set_back"].startswith("2026-02-25") and len(remarks_of(again.working)) == 1
        assert refused(start, investor).code == "day_limit", "both count for the later day"


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_complete_at_once_make_one_assessment_and_two_that_start_make_one_draft(people):
    investor, together, done, drafts = people.anna_investor, Barrier(2), [], []

    def at_once(work, found):
        together.wait(timeout=10)
        try:
            found.append(work().pk)
        finally:
            connection.close()

    def run(work, found):
        tabs = [Thread(target=at_once, args=(work, found)) for _ in range(2)]
        for tab in tabs:
            tab.start()
        for tab in tabs:
            tab.join()

    run(lambda: start(Investor.objects.get(pk=investor.pk)), drafts)
    assert len(drafts) == 2 and len(set(drafts)) == 1
    fill(Assessment.objects.get(), answers_for(3))
    run(lambda: complete_assessment(assessment=Assessment.objects.get(), actor=None), done)
    assert done == [drafts[0]] * 2
    assert (Assessment.objects.count(), LevelChange.objects.count(), AdviceRecord.objects.filter(kind="assessment").count()) == (1, 1, 1)
