"""A table of funds by itself: what is known of funds whose prices are here is said anew."""

from collections.abc import Sequence

from django.db import transaction

from portfolios.models import Fund, ImportIssue
from portfolios.services.fund_rows import CURRENCY_DIFFERS, RESTATED, changes_manager_undated, currency_of, restate, write_record
from portfolios.services.taking_in import Work, confirm
from portfolios.sources.contract import FundFacts

_ROWS_A_BATCH = 200
UNKNOWN, MANAGER_UNDATED = "fund_without_prices", "manager_undated"


def _against(fund: Fund | None, row: FundFacts) -> str:
    """The reason why a row is not taken in; "" where nothing is against it."""
    if fund is None:
        return UNKNOWN
    if currency_of(fund, row, ()):
        return CURRENCY_DIFFERS
    return MANAGER_UNDATED if changes_manager_undated(fund, row) else ""


def take_in_table(work: Work, rows: Sequence[FundFacts]) -> None:
    """Restate known funds a batch a transaction; a fund that is not known, or kept in another currency, is reported. Safe to repeat.

    Raises ClaimLost.
    """
    work.run.n_total = len(rows)
    for start in range(work.run.n_done, len(rows), _ROWS_A_BATCH):
        batch = rows[start : start + _ROWS_A_BATCH]
        issues, changed, known = [], [], []
        with transaction.atomic():
            locked = Fund.objects.select_for_update().filter(code__in=[row.code for row in batch]).order_by("pk")
            funds = {fund.code: fund for fund in locked}
            for row in batch:
                fund = funds.get(row.code)
                if reason := _against(fund, row):
                    issues.append(ImportIssue(run=work.run, line=row.line, fund_code=row.code[:20], code=reason))
                elif fund is not None:
                    known.append(row)
                    if restate(fund, row):
                        changed.append(fund)
            told = write_record(known)
            Fund.objects.bulk_update(changed, RESTATED)
            ImportIssue.objects.bulk_create(issues)
            n_kept, n_changed = len(batch) - len(issues), len({fund.code for fund in changed} | told)
            work.add(n_rows=len(batch), n_changed=n_changed, n_unchanged=n_kept - n_changed, n_reported=len(issues))
            work.add(n_done=len(batch), n_funds=n_kept)
            confirm(work)
