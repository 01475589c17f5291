"""HTML as PDF, where the machine has what it takes."""

import logging
from pathlib import Path
from typing import Any, NoReturn

from django.contrib.staticfiles import finders

log = logging.getLogger(__name__)

STYLESHEET = "statement.css"


class PdfUnavailable(Exception):
    """This machine lacks the libraries that draw text; the page itself can be printed."""


def render_pdf(html: str) -> bytes:
    """Draw a page that refers to nothing outside itself. Raises PdfUnavailable."""
    try:
        # Here and not above: the import takes up to three seconds, and fails where pango is not installed.
        from weasyprint import CSS, HTML
    except (ImportError, OSError) as error:
        log.warning("no PDF on this machine: %s", error)
        raise PdfUnavailable(str(error)) from error
    style = Path(str(finders.find(STYLESHEET))).read_text(encoding="utf-8")
    drawn: bytes = HTML(string=html, url_fetcher=_refuse).write_pdf(stylesheets=[CSS(string=style, url_fetcher=_refuse)])
    return drawn


def _refuse(url: str, *args: Any, **kwargs: Any) -> NoReturn:
    raise ValueError(f"a statement refers to nothing outside itself, not to {url}")
