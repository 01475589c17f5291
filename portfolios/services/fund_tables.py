"""A table of funds by itself: what is known of funds whose prices are here is said anew."""

from collections.abc import Sequence

from django.db import transaction

from portfolios.models import Fund, ImportIssue
from portfolios.services.fund_rows import CURRENCY_DIFFERS, RESTATED, currency_of, restate, write_record
from portfolios.services.taking_in import Work, confirm
from portfolios.sources.contract import FundFacts

_ROWS_A_BATCH = 200
UNKNOWN = "fund_without_prices"


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
                reason = UNKNOWN if fund is None else CURRENCY_DIFFERS if currency_of(fund, row, ()) else ""
                if reason:
                    issues.append(ImportIssue(run=work.run, line=row.line, fund_code=row.code[:20], code=reason))
                elif fund is not None:
                    known.append(row)
                    if restate(fund, row):
                        changed.append(fund)
            write_record(known)
            Fund.objects.bulk_update(changed, RESTATED)
            ImportIssue.objects.bulk_create(issues)
            n_kept = len(batch) - len(issues)
            work.add(n_rows=len(batch), n_changed=len(changed), n_unchanged=n_kept - len(changed), n_reported=len(issues))
            work.add(n_done=len(batch), n_funds=n_kept)
            confirm(work)
