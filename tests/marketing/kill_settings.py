"""Settings of the worker that the kill test kills: the product's own, a short lease, and mail that can be held in the call."""

import time
from pathlib import Path

from django.core.mail.backends.filebased import EmailBackend as FileBackend

from config.settings import *  # noqa: F403
from config.settings import VAR_DIR

DELIVERY_LEASE_SECONDS = 3
EMAIL_BACKEND = "tests.marketing.kill_settings.HeldFileBackend"
QUIET_HOURS_APPLY = False
# The first says after how many letters a worker stays in its call, the second that one is there; without the first none waits.
HOLD_AFTER = Path(VAR_DIR) / "hold-mail-after"
HELD = Path(VAR_DIR) / "mail-is-held"
_n_sent = 0


class HeldFileBackend(FileBackend):
    """Stays in the call after the message has left, so that a kill falls where sending again would be a second message."""

    def send_messages(self, email_messages):
        global _n_sent
        sent = super().send_messages(email_messages)
        _n_sent += len(email_messages)
        while HOLD_AFTER.exists() and _n_sent > int(HOLD_AFTER.read_text() or 0):
            HELD.touch()
            time.sleep(0.005)
        return sent
