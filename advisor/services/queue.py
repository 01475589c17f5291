"""The advisors' queue: something to do for a client, opened by whoever notices it, done by an advisor."""

from collections.abc import Mapping, Sequence
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


def open_tasks(*, kind: str, items: Mapping[int, Sequence[str]]) -> int:
    """Write an open task for each of a block of clients with what it is about; one that has it open already gets the new items added.

    One short transaction for at most a thousand clients; returns how many tasks are new. Safe to repeat.
    """
    with transaction.atomic():
        open_ones = Task.objects.filter(investor_id__in=items, kind=kind, state=Task.State.OPEN)
        found = {task.investor_id: task for task in open_ones}
        told = []
        for investor_id, task in found.items():
            known = task.params.get("items", [])
            if added := [item for item in items[investor_id] if item not in known]:
                task.params |= {"items": [*known, *added]}
                told.append(task)
        Task.objects.bulk_update(told, ["params"], batch_size=500)
        new = [Task(investor_id=one, kind=kind, params={"items": list(items[one])}) for one in items if one not in found]
        Task.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def close_task(*, task_id: int, actor: Any = None) -> bool:
    """Write that the task is done, when and by whom; False when it already was. Safe to repeat."""
    open_one = Task.objects.filter(pk=task_id, state=Task.State.OPEN)
    return bool(open_one.update(state=Task.State.DONE, done_at=timezone.now(), done_by=actor))
