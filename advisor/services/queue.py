"""The advisors' queue: something to do for a client, opened by whoever notices it, done by an advisor."""

from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from advisor.models import Task


def open_task(*, investor_id: int, kind: str, params: dict[str, Any] | None = None, due_date: date | None = None) -> Task:
    """Write an open task for the client's advisors; while one of the kind is open, that one is returned. Safe to repeat."""
    found = Task.objects.filter(investor_id=investor_id, kind=kind, state=Task.State.OPEN).first()
    if found:
        return found
    try:
        with transaction.atomic():
            return Task.objects.create(investor_id=investor_id, kind=kind, params=params or {}, due_date=due_date)
    except IntegrityError:  # another process opened it in between
        return Task.objects.get(investor_id=investor_id, kind=kind, state=Task.State.OPEN)


def close_task(*, task_id: int, actor: Any = None) -> bool:
    """Write that the task is done, when and by whom; False when it already was. Safe to repeat."""
    open_one = Task.objects.filter(pk=task_id, state=Task.State.OPEN)
    return bool(open_one.update(state=Task.State.DONE, done_at=timezone.now(), done_by=actor))
