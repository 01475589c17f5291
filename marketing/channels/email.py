"""E-mail: text and HTML, one-click unsubscription (RFC 8058), and the ledger's key as the message's own id."""

import smtplib

from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from marketing.channels.tokens import unsubscribe_token
from marketing.channels.wording import wording
from marketing.models import CampaignStep, Delivery


def compose(delivery: Delivery, step: CampaignStep, *, is_service_letter: bool) -> EmailMultiAlternatives:
    """Build the message of a ledger row, in the language that its recipient reads."""
    user = delivery.investor.user
    with translation.override(user.language):
        subject, body = wording(step, name=str(user), language=user.language)
        link = "" if is_service_letter else settings.BASE_URL + reverse("unsubscribe", args=[unsubscribe_token(delivery)])
        context = {"subject": subject, "body": body, "unsubscribe_url": link, "IS_DEMO": settings.IS_DEMO, "site_url": settings.BASE_URL}
        context |= {"language": user.language, "LICENCE_TEXT": settings.LICENCE_TEXT}
        title = _("[simulated] %(subject)s") % {"subject": subject} if settings.IS_DEMO else subject
        message = EmailMultiAlternatives(title, render_to_string("emails/campaign.txt", context), to=[str(user.email)])
        message.attach_alternative(render_to_string("emails/campaign.html", context), "text/html")
    message.extra_headers["Message-ID"] = f"<{delivery.idempotency_key}@{settings.BASE_HOST}>"
    message.extra_headers["Idempotency-Key"] = str(delivery.idempotency_key)
    if link:
        message.extra_headers["List-Unsubscribe"] = f"<{link}>"
        message.extra_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message


def turned_us_away(error: Exception) -> bool:
    """Say whether the provider took nothing from us for a reason of ours: our key, our sender, too many at once."""
    if isinstance(error, AnymailAPIError):
        return error.status_code in {401, 403, 429}
    return isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPAuthenticationError)


def was_refused(error: Exception) -> bool:
    """Say whether the provider, or our own mail library, said no. Any other error leaves open whether the message left."""
    if isinstance(error, AnymailAPIError):
        return 400 <= (error.status_code or 0) < 500
    return isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused | AnymailRecipientsRefused | ValueError)
