"""What a message may not say, and when it may not leave."""

from datetime import UTC, datetime, time

import pytest

from marketing.jurisdictions import market_rules
from marketing.kernels.policy import QuietHours, banned_claims, fill, quiet_until, unknown_placeholders

CLAIMS = market_rules().claims


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("低风险理财", "低风险"),
        ("保 本 产品", "保本"),
        ("保-本", "保本"),
        ("保\u200b本", "保本"),
        ("高收益", "高收益"),
        ("低门槛", "低门槛"),
        ("秒到账", "秒到账"),
        ("A LOW-RISK way", "low risk"),
        ("ｌｏｗ ｒｉｓｋ", "low risk"),
        ("high\nreturns for you", "high returns"),
        ("年化收益达到 8%", "8%"),
        ("预计收益百分之八", "百分之八"),
        ("每年 5% 的回报", "5%"),
        ("earn up to 6 % a year", "6 %"),
        ("8% annual return", "8%"),
        ("保證收益", "保證收益"),
        ("零風險", "零風險"),
        ("年 化 收 益 率 6 %", "6"),
        ("６％ 的 收 益", "6%"),
        ("6 per cent return", "6 per cent"),
        ("l o w  r i s k", "low risk"),
        ("lowrisk, riskfree", "risk free"),
        ("low\u200brisk", "low risk"),
        ("lów rísk", "low risk"),
        ("Ｇｕａｒａｎｔｅｅｄ　ｒｅｔｕｒｎ", "guaranteed return"),
    ],
)
def test_a_claim_is_found_however_it_is_written(text, found):
    assert any(found in claim for claim in banned_claims(text, CLAIMS)), banned_claims(text, CLAIMS)


@pytest.mark.parametrize(
    "text",
    [
        "您有一笔资金没有投入计划。投资有风险。",
        "Some of your money is not at work in your plan. Investing carries risk.",
        "Your questionnaire expires in 30 days.",
        "We are below 5 people in this office.",
        "Some of you are below risk grade three; a casino risk is none of ours.",
        "C 3 or R 2 is a level; plan B or plan C is yours to choose.",
        "您的 问卷 将于 30 天 后 到期。",
        "",
    ],
)
def test_plain_words_pass(text):
    assert banned_claims(text, CLAIMS) == []


def test_only_the_name_is_filled():
    assert unknown_placeholders("{name} {phone} {} {name!r}") == ["", "name!r", "phone"]
    assert fill("{name}, {phone}", "Li\r\nWei {name}") == "Li Wei {name}, {phone}"


@pytest.mark.parametrize(
    ("clock", "until"),
    [((3, 2, 12, 59), None), ((3, 2, 13, 0), (3, 3, 0)), ((3, 2, 23, 0), (3, 3, 0)), ((3, 2, 0, 0), None), ((3, 1, 23, 59), (3, 2, 0))],
)
def test_nights_are_quiet_over_midnight(clock, until):
    quiet = QuietHours(time(21), time(8), "Asia/Shanghai")
    ends = quiet_until(datetime(2026, *clock, tzinfo=UTC), quiet)
    assert (ends.astimezone(UTC) if ends else None) == (datetime(2026, *until, tzinfo=UTC) if until else None)


def test_quiet_hours_may_also_lie_within_a_day():
    noon = QuietHours(time(12), time(14), "UTC")
    assert quiet_until(datetime(2026, 3, 2, 13, tzinfo=UTC), noon) == datetime(2026, 3, 2, 14, tzinfo=UTC)
    assert quiet_until(datetime(2026, 3, 2, 14, tzinfo=UTC), noon) is None
