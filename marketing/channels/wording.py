"""The words of one step for one person, in that person's language."""

from marketing.kernels.policy import fill
from marketing.models import CampaignStep

SUBJECT_LIMIT = 120


def wording(step: CampaignStep, *, name: str, language: str) -> tuple[str, str]:
    """Subject and body, with the person's name filled in."""
    subject, body = (step.subject_zh, step.body_zh) if language.startswith("zh") else (step.subject_en, step.body_en)
    return " ".join(fill(subject, name).split())[:SUBJECT_LIMIT], fill(body, name)
