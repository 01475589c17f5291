"""Settings of the worker that the kill test kills: the product's own, a short lease, and mail that can be held in the call."""

import time
from pathlib import Path

from django.core.mail.backends.filebased import EmailBackend as FileBackend

from config.settings import *  # noqa: F403
from config.settings import VAR_DIR

DELIVERY_LEASE_SECONDS = 3
EMAIL_BACKEND = "tests.marketing.kill_settings.HeldFileBackend"
QUIET_HOURS_APPLY = False
# While the first exists no call returns; the second says that one is waiting.
HOLD = Path(VAR_DIR) / "hold-mail"
HELD = Path(VAR_DIR) / "mail-is-held"


class HeldFileBackend(FileBackend):
    """Stays in the call after the message has left, so that a kill falls where sending again would be a second message."""

    def send_messages(self, email_messages):
        sent = super().send_messages(email_messages)
        while HOLD.exists():
            HELD.touch()
            time.sleep(0.005)
        return sent
