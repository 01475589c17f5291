"""The Celery application: two queues, two workers, and the beat schedule as data.

The database row is the truth and a message is only a doorbell, so nothing here keeps results, waits on another
task, or carries a payload beyond a primary key. `now` is what a person waits for; `bulk` is everything else.
"""

import os

from celery import Celery
from kombu import Queue
from kombu.transport import TRANSPORT_ALIASES

TRANSPORT_ALIASES["filesystem"] = "config.fsbroker:Transport"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("hengtou")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = (Queue("now"), Queue("bulk"))
app.autodiscover_tasks()
