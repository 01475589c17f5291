"""Settings of the worker that the kill test kills: the product's own, a short lease, and mail that takes its time."""

import time

from django.core.mail.backends.filebased import EmailBackend as FileBackend

from config.settings import *  # noqa: F403

DELIVERY_LEASE_SECONDS = 3
EMAIL_BACKEND = "tests.marketing.kill_settings.SlowFileBackend"
QUIET_HOURS_APPLY = False


class SlowFileBackend(FileBackend):
    """Stays a moment after the message has left, so that a kill falls where sending again would be a second message."""

    def send_messages(self, email_messages):
        sent = super().send_messages(email_messages)
        time.sleep(0.006)
        return sent
