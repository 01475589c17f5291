"""The public names of marketing's services, gathered from one module a noun."""

from marketing.services.events import make_event_partitions, record_page_view
from marketing.services.recommender import execute_training, request_training

__all__ = [
    "execute_training",
    "make_event_partitions",
    "record_page_view",
    "request_training",
]
