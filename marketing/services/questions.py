"""Questions kept under a name."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from marketing.kernels.ask import QuestionError, as_json, read_question
from marketing.models import SavedQuestion

MOST_QUESTIONS = 500


def save_question(*, name: str, question: str, author: Any) -> SavedQuestion:
    """Keep a question under a name. Safe to repeat: the same question of the same name is kept once.

    Refused with a sentence, and nothing written, where it cannot be read, the name is taken, or there are too many.
    """
    try:
        read = read_question(question)
    except QuestionError as error:
        raise ValidationError(_("The question cannot be read. Nothing was saved.")) from error
    clean = as_json(read)
    if SavedQuestion.objects.count() >= MOST_QUESTIONS:
        raise ValidationError(_("As many questions are kept as anybody can find again. Remove one first."))
    try:
        with transaction.atomic():
            saved, _is_new = SavedQuestion.objects.get_or_create(
                name=name, defaults={"kind": read.kind, "question": clean, "author": author}
            )
    except IntegrityError:  # somebody saved it in between
        saved = SavedQuestion.objects.get(name=name)
    if saved.question != clean:
        raise ValidationError(_("There is another question of this name. Choose another name."))
    return saved


def forget_question(*, question_id: int) -> bool:
    """Forget a kept question. Safe to repeat."""
    return bool(SavedQuestion.objects.filter(pk=question_id).delete()[0])
