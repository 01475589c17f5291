"""Somebody's answers as a file to keep: for a computer, and as a table in the reader's language."""

from typing import Any

from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from advisor.instruments import load_instrument
from advisor.jurisdictions import advice_rules
from advisor.models import Assessment
from advisor.selectors.assessments import answer_rows, money_of
from portfolios.money import from_minor


def answers_as_json(assessment: Assessment) -> dict[str, Any]:
    """Questions, answers, when and how long, the level and every number on the way to it."""
    completed = assessment.completed_at
    return {
        "assessment": assessment.pk,
        "person": assessment.investor.pseudonym,
        "questionnaire": assessment.instrument,
        "questionnaire_sha256": assessment.instrument_sha256,
        "language": get_language(),
        "started_at": timezone.localtime(assessment.started_at).isoformat(),
        "completed_at": timezone.localtime(completed).isoformat() if completed else None,
        "amount_asked_about_yuan": str(from_minor(money_of(assessment))),
        "answers": [
            {
                "item": row.code,
                "question": row.question,
                "answer": row.answer,
                "answer_code": assessment.answers.get(row.code),
                "seconds": assessment.seconds.get(row.code),
            }
            for row in answer_rows(assessment)
        ],
        "confirmed": list(assessment.soft_confirmed),
        "level": assessment.get_level_display(),
        "confidence": assessment.confidence or None,
        "numbers": assessment.working,
    }


def answers_as_rows(assessment: Assessment) -> list[list[str]]:
    """A table: each question with its answer and why it was asked, then what came of it."""
    why = {item.code: item.why.said for item in load_instrument(assessment.instrument).items}
    level = assessment.level or 0
    rows = [[_("Number"), _("Question"), _("Answer"), _("Why we ask")]]
    rows += [[str(number), row.question, row.answer or "", why[row.code]] for number, row in enumerate(answer_rows(assessment), 1)]
    words = advice_rules().levels[level]
    rows.append(["", _("Level"), f"{assessment.get_level_display()} {words.said}", words.means])
    if assessment.confidence:
        rows.append(["", _("How sure we are"), assessment.get_confidence_display(), ""])
    if assessment.completed_at:
        rows.append(["", _("Completed"), f"{timezone.localtime(assessment.completed_at):%Y-%m-%d %H:%M}", assessment.instrument])
    return rows
