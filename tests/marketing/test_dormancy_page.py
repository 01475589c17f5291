"""The marketers' page about who sleeps: numbers of ten and more, the fit in words, and the holdout."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from marketing.kernels.dormancy_holdout import Bin, merged
from marketing.models import Dormancy, DormancyChange, DormancyFit, Reactivation
from tests.marketing.crowd import crowd

pytestmark = pytest.mark.django_db


def report():
    area = {"value": 0.8, "low": 0.75, "high": 0.85}
    rows = [{"time": float(week), "expected": week * 2.0, "actual": week * 2.1} for week in range(1, 41)]
    bins = [(0, False, 300, 0.21, 0.2), (1, False, 40, 0.6, 0.7), (2, False, 4, 1.5, 1.0), (7, True, 9, 6.0, 5.0)]
    return {
        "n": 353, "n_came": 60, "held_out": 26.0, "naive": 90 / 7, "expected": 100.0, "actual": 103.0, "calibration_week": 30.0,
        "bins": [dict(zip(("frequency", "is_open", "n", "expected", "actual", "most"), (*row, row[0]), strict=True)) for row in bins],
        "areas": {"p_any": area, "p_alive": area, "expected": area, "silence": area, "naive": area},
        "differences": {"p_any": {"value": 0.08, "low": 0.05, "high": 0.11}}, "tracking": rows,
    }  # fmt: skip


def fitted(**changes):
    today = timezone.localdate()
    fields = {
        "as_of": today, "first_date": today - timedelta(days=400), "model": "mbgnbd", "is_used": True, "r": 0.6, "alpha": 9.0, "a": 0.5,
        "b": 1.5, "log_likelihood": -1234.5, "n_people": 400, "report": report(), "standard_errors": {"r": 0.1, "alpha": None},
    }  # fmt: skip
    return DormancyFit.objects.create(**(fields | changes))


@pytest.fixture
def page(client, people):
    client.force_login(people.mark)

    def read():
        response = client.get(reverse("dormancy"), headers={"accept-language": "en"})
        assert response.status_code == 200
        return response.content.decode()

    return read


def test_before_the_first_night_the_page_says_so(page):
    text = page()
    assert "Nothing has been fitted yet." in text and "Activity has not been worked out yet" in text


def test_states_changes_and_who_woke_are_counted_and_small_groups_withheld(page):
    today = timezone.localdate()
    slept = crowd(23, prefix="slept")
    crowd(4, prefix="cool", dormancy=Dormancy.COOLING)
    crowd(14, prefix="calm", dormancy=Dormancy.CALM)
    DormancyChange.objects.bulk_create(DormancyChange(investor=one, from_state="cooling", to_state="dormant", date=today) for one in slept)
    Reactivation.objects.bulk_create(Reactivation(investor=one, kind="cash_placed", date=today) for one in slept[:12])
    Reactivation.objects.bulk_create(Reactivation(investor=one, kind="plan_restored", date=today) for one in slept[:3])
    text = " ".join(page().split())
    assert "fewer than 10" in text and ">20<" in text and ">23<" not in text
    assert '<td>Cooling</td><td>Dormant</td><td class="num">20</td>' in text
    assert 'Idle cash placed</th><td class="num">10</td>' in text
    assert 'Plan restored</th><td class="num muted">fewer than 10</td>' in text


def test_the_fit_is_told_in_words_and_the_holdout_in_charts_and_tables(page):
    fitted()
    text = " ".join(page().split())
    assert "MBG/NBD, fitted to the decisions of 400 people" in text
    assert "after a decision 25% stop for good" in text and "decides every 105 days" in text
    assert 'id="calibration"' in text and 'id="tracking"' in text
    assert "Naive rule: no decision in 90 days" in text and "0.080 (0.050 … 0.110)" in text
    assert '<th scope="row">2+</th>' in text, "four and nine people stand together"


def test_a_fit_that_is_not_used_says_why(page):
    fitted(is_used=False, why="histories_too_few", r=None, report={})
    text = page()
    assert "lengths of silence alone" in text and "Too few people" in text


def test_small_bins_stand_with_their_neighbours():
    bins = [Bin(0, False, 5, 1.0, 0.0, 0), Bin(1, False, 15, 1.0, 2.0, 1), Bin(2, False, 3, 4.0, 4.0, 2), Bin(7, True, 9, 8.0, 12.0, 7)]
    assert merged(bins, 10) == [Bin(0, False, 20, 1.0, 1.5, 1), Bin(2, True, 12, 7.0, 10.0, 7)]
    assert merged(bins[:1], 10) == []


def test_the_page_takes_few_queries(client, people, django_assert_max_num_queries):
    fitted()
    crowd(30)
    client.force_login(people.mark)
    with django_assert_max_num_queries(14):
        client.get(reverse("dormancy"))
