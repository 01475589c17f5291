"""Funds that a message names: nobody gets a message about a fund above their level, whatever its segment says."""

import hashlib
import re
import unicodedata
from typing import Any

from django.core.cache import cache
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Length
from django.utils import timezone

from advisor.selectors.suitability import levels_suited_by
from marketing.models import CampaignStep
from portfolios.models import Fund, Holding

SHORTEST_NAME = 3  # a shorter one would be found in half of all words
KEPT_SECONDS = 600
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def funds_named_by(step: CampaignStep) -> list[Fund]:
    """The funds whose code or name stands in a message, in either language, with their grades of now.

    Which they are is kept for ten minutes: a batch of messages asks once. At most two queries.
    """
    words = unicodedata.normalize("NFKC", "\n".join((step.subject_zh, step.subject_en, step.body_zh, step.body_en)))
    key = f"named-funds:{hashlib.sha256(words.encode()).hexdigest()}"
    known = cache.get(key)
    if known is None:
        known = _ids_named_in(words)
        cache.set(key, known, KEPT_SECONDS)
    return list(Fund.objects.filter(pk__in=known)) if known else []


def _ids_named_in(words: str) -> list[int]:
    codes = {code.strip("._-") for code in CODE.findall(words)}
    funds = Fund.objects.annotate(words=Value(words), n_zh=Length("name_zh"), n_en=Length("name_en"))
    in_words = Q(n_zh__gte=SHORTEST_NAME, words__icontains=F("name_zh")) | Q(n_en__gte=SHORTEST_NAME, words__icontains=F("name_en"))
    return list(funds.filter(Q(code__in=codes) | in_words).values_list("pk", flat=True))


def above_level(step: CampaignStep, *, is_service_letter: bool) -> Q | None:
    """Whom a step must not reach because of a fund that it names, as a condition on investors; None where it names none.

    Reached are those to whom each of them suits by a level in force. A service letter also reaches who holds one of them.
    """
    funds = funds_named_by(step)
    if not funds:
        return None
    suited = Q(level__in=levels_suited_by(funds), level_valid_until__gte=timezone.localdate())
    if is_service_letter:
        held: Any = Holding.objects.filter(portfolio__goal__account__investor=OuterRef("pk"), fund__in=[fund.pk for fund in funds])
        suited |= Q(Exists(held))
    return ~suited
