"""The public names of advisor's services, gathered from one module a noun."""

from advisor.services.queue import close_task, open_task

__all__ = [
    "close_task",
    "open_task",
]
