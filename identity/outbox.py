"""The simulated post of a demo: text messages and e-mails lie as files, and this reads the latest."""

import email.policy
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings

WITHIN_SECONDS = 3600
MOST = 50
MAIL_END = b"\n" + b"-" * 79 + b"\n"  # written by Django's file backend after each message


@dataclass(frozen=True)
class Message:
    at: datetime
    kind: str  # sms or email
    to: str
    subject: str
    text: str


def latest_messages() -> list[Message]:
    """Text messages and e-mails of the last hour, the newest first, at most 50."""
    sms = [_read_sms(path) for path in _fresh(settings.SMS_FILE_PATH, "*.json")]
    mail_folder = getattr(settings, "EMAIL_FILE_PATH", None)
    mails = [message for path in _fresh(mail_folder, "*.log") for message in _read_mails(path)] if mail_folder else []
    found = [message for message in (*sms, *mails) if message]
    return sorted(found, key=lambda message: message.at, reverse=True)[:MOST]


def _fresh(folder: Path | str, pattern: str) -> list[Path]:
    oldest = time.time() - WITHIN_SECONDS
    dated = [(path.stat().st_mtime, path) for path in Path(folder).glob(pattern)]
    return [path for at, path in sorted(dated, reverse=True) if at >= oldest][:MOST]


def _read_sms(path: Path) -> Message | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # still being written
        return None
    return Message(_written_at(path), "sms", content["to"], "", content["text"])


def _read_mails(path: Path) -> list[Message]:
    read = []
    for raw in path.read_bytes().split(MAIL_END):
        if raw.strip():
            mail = message_from_bytes(raw.lstrip(), _class=EmailMessage, policy=email.policy.default)
            body = mail.get_body(("plain",))
            read.append(Message(_written_at(path), "email", str(mail["To"]), str(mail["Subject"]), body.get_content() if body else ""))
    return read


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
