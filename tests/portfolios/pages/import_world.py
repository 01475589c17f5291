"""An import with something of everything for the pages: rows stored, refused, and a history that waits."""

from datetime import date, timedelta
from pathlib import Path

from portfolios.models import ImportRun, QuarantinedHistory
from portfolios.services import ImportRequest, import_nav

TODAY = date(2026, 11, 20)
FIRST = date(2026, 3, 2)


def rows(code: str, navs: list[float]) -> str:
    return "".join(f"{code},{FIRST + timedelta(days=i)},{nav:.4f}\n" for i, nav in enumerate(navs))


CALM = [1 + i / 1000 for i in range(12)]
JUMPY = [*CALM[:6], *[nav * 1.5 for nav in CALM[6:]]]


def import_text(folder: Path, text: str, name: str = "prices.csv", **more) -> ImportRun:
    path = folder / name
    path.write_text("fund,date,nav\n" + text, encoding="utf-8")
    return ImportRun.objects.get(pk=import_nav(request=ImportRequest(prices=path, today=TODAY, **more)).run_id)


def waiting_history(code: str = "J00001") -> QuarantinedHistory:
    """A fund nobody knows yet, whose rows hold a jump of a half."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        import_text(Path(folder), rows(code, JUMPY))
    return QuarantinedHistory.objects.get(fund_code=code)
