"""What went wrong with a file or a solve, as one sentence in the reader's language."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portfolios.jurisdictions import jurisdiction

_SENTENCES = {
    "file_is_zip": _("%(file)s is a zip archive (or an Excel workbook), not a CSV file: unpack it or save it as CSV first."),
    "file_is_excel": _("%(file)s is an Excel workbook, not a CSV file: save it as CSV first."),
    "file_is_pdf": _("%(file)s is a PDF, not a CSV file."),
    "file_is_html": _("%(file)s is a web page, not a CSV file: where it was fetched from, an error page may have come instead."),
    "file_too_large": _("%(file)s is too large."),
    "file_is_not_text": _("%(file)s is not a text file in UTF-8 or GB18030."),
    "file_not_found": _("There is no file %(file)s."),
    "file_not_readable": _("%(file)s cannot be read."),
    "file_has_no_rows": _("%(file)s has no rows."),
    "column_missing": _("%(file)s has no column “%(column)s”."),
    "column_twice": _("The column “%(column)s” stands twice in the file."),
    "quote_not_closed": _("In line %(line)s of %(file)s a quotation mark is not closed: the rows behind it would be lost."),
    "line_has_too_many_fields": _("Line %(line)s of %(file)s has more fields than the header, or a quotation mark that is not closed."),
    "file_changed": _("%(file)s is not the file any more for which the import was asked."),
    "date_order_mixed": _("In %(file)s some dates have the day first, others the month: write them as 2020-01-31."),
    "date_order_unclear": _("Whether %(example)s in %(file)s has the month or the day first does not show: write dates as 2020-01-31."),
    "unknown_source": _("There is no source “%(source)s”."),
    "no_price_file": _("The source “csv” needs a price file."),
    "no_codes": _("The source “%(source)s” must be told which funds: none of them is known yet."),
    "source_not_installed": _("The library %(library)s is not installed: pip install -r requirements-sources.txt."),
    "source_timeout": _("The source did not answer within %(seconds)s seconds."),
    "source_unreachable": _("The source cannot be reached."),
    "source_refused": _("The source refuses more requests for now."),
    "source_not_data": _("The source answered with something that is no data, perhaps an error page."),
    "source_empty": _("The source has no prices of this fund."),
    "source_column_missing": _("The source's answer has no column “%(column)s”."),
    "source_given_up": _("The source was not asked any more after it had failed several times in a row."),
    "source_incomplete": _("The source did not give %(n_failed)s of %(n_funds)s funds; the others are stored. Asking again mends it."),
    "too_few_simulated_funds": _("A simulated market of %(n_funds)s funds is too small."),
    "simulated_market_differs": _("There is a simulated market of another seed already, or the demo's, which grows by itself every night."),
    "too_many_attempts": _("It was tried %(attempts)s times and interrupted each time."),
    "fund_cell_unclear": _("Fund %(fund)s: “%(value)s” is not understood in the column “%(column)s”."),
    "size_incomplete": _("Fund %(fund)s: a size needs size, units, size_date and size_published; “%(column)s” is empty."),
    "unknown_category": _("Fund %(fund)s: there is no category “%(category)s”."),
    "unknown_grade": _("Fund %(fund)s: “%(grade)s” is not a risk grade; write R1 to R5."),
    "unknown_class": _("Fund %(fund)s: there is no asset class “%(asset_class)s”; there are %(known)s."),
    "unknown_fund": _("Fund %(fund)s is not in the price file."),
    "unknown_level": _("There is no level “%(level)s”; there are %(known)s."),
    "no_fund": _("No fund is named."),
    "fund_twice": _("Fund %(fund)s stands twice in %(file)s."),
    "no_history": _("There is not enough price history."),
    "no_common_history": _("The funds have no days in common."),
    "fund_without_moments": _("Fund %(fund)s is unknown or has too short a price history."),
    "bad_row": _("Line %(line)s, fund %(fund)s: %(reason)s."),
    "no_models": _("There are no approved model portfolios."),
    "data_date_in_future": _("The data date %(date)s lies in the future."),
    "screen_rules_unreadable": _("The rules that the screen froze cannot be read any more: ask for a new one (%(detail)s)."),
    "screen_not_done": _("The screen has not ended: another worker has it, or it waits."),
    "screen_weights_not_one": _("The weights of the sub-scores of “%(kind)s” funds do not add up to 1."),
    "no_pool": _("There is no fund pool yet."),
    "no_money_market_fund": _("Level %(level)s may hold R1 money-market funds only, and there is no R1 money-market fund."),
    "no_fund_of_grade": _("Level %(level)s may hold funds up to R%(max_grade)s only, and there is none."),
    "cvar_budget": _(
        "The limit on the loss in a bad year (%(limit)s) cannot be kept: the calmest portfolio that is allowed loses %(reached)s."
    ),
    "cvar_budget_of_record": _(
        "The limit on the loss in a bad year (%(limit)s) cannot be kept: by what the funds really did, the calmest portfolio that is "
        "allowed loses %(reached)s."
    ),
    "bounds_cannot_sum_to_one": _("The largest shares allowed for %(n_funds)s funds add up to less than the whole."),
    "groups_contradict": _("The limits on groups of funds contradict each other."),
    "not_proven_optimal": _("The solver found no portfolio that it can prove to be the best."),
    "solver_failed": _("The solver failed."),
    "file_is_not_json": _("%(file)s is not a JSON file: line %(line)s cannot be read."),
    "json_not_an_object": _("%(file)s does not hold a JSON object, something in braces."),
    "json_key_twice": _("In %(file)s the key “%(key)s” stands twice."),
    "key_missing": _("%(file)s has no “%(key)s”."),
    "unknown_key": _("%(file)s: “%(key)s” is not known here; there are %(known)s."),
    "not_a_number": _("%(field)s: “%(value)s” is not a number that can be used."),
    "not_a_whole_number": _("%(field)s: %(value)s is not a whole number."),
    "not_true_or_false": _("%(field)s: “%(value)s” is neither true nor false."),
    "not_a_word": _("%(field)s: “%(value)s” is not a text."),
    "not_a_list": _("%(field)s is not a list."),
    "not_a_list_of_funds": _("%(field)s is not a list of fund codes."),
    "not_a_list_of_limits": _("%(field)s is not a list of limit names."),
    "not_an_object": _("%(field)s is not an object, something in braces."),
    "not_a_pair": _("%(field)s is not a pair of numbers, the least and the most."),
    "wrong_length": _("%(field)s has %(n)s entries, but there are %(n_funds)s funds."),
    "label_missing": _("%(field)s says nothing of fund %(fund)s."),
    "duplicate_fund": _("Fund %(fund)s is named twice."),
    "fund_not_in_universe": _("%(where)s names fund %(fund)s, which is not among the funds."),
    "unknown_objective": _("There is no objective “%(objective)s”; there are %(known)s, or a target."),
    "more_than_one_objective": _("Only one of objective, target_volatility and target_return can be asked for."),
    "risk_aversion_without_utility": _("A risk aversion has no meaning with %(objective)s: leave it out, or ask for utility."),
    "field_missing": _("%(objective)s needs %(field)s."),
    "risk_aversion_not_positive": _("The risk aversion must be a number above 0; for the least risk ask for min_volatility."),
    "field_not_a_number": _("%(field)s: %(value)s is not a number that can be used."),
    "field_negative": _("%(field)s: %(value)s is below 0."),
    "not_with_max_sharpe": _("max_sharpe cannot be asked for together with %(field)s."),
    "robust_without_mean": _("robust concerns the mean, which %(objective)s does not look at."),
    "robust_funds_differ": _("robust names other funds than the mandate."),
    "robust_matrix_unusable": _("The matrix mean_cov of robust has the wrong size or a value that is not a number."),
    "bounds_cross": _("The bounds of %(fund)s cross or are no numbers: from %(min)s to %(max)s."),
    "group_twice": _("There are two groups named “%(group)s”."),
    "group_without_name": _("A group has no name."),
    "fund_twice_in_group": _("The group “%(group)s” names fund %(fund)s twice."),
    "group_bounds_cross": _("The limits of the group “%(group)s” cross or are no numbers: from %(min)s to %(max)s."),
    "weight_not_a_number": _("%(where)s: the weight of fund %(fund)s is not a number that can be used."),
    "max_funds_below_one": _("max_funds must be at least 1."),
    "fund_without_grade": _("There is a max_grade, but fund %(fund)s has no risk grade."),
    "horizon_not_positive": _("The horizon must be a number of years above 0."),
    "cost_negative": _("The cost of fund %(fund)s is below 0 or not a number: %(value)s."),
    "unknown_limit": _("hard names “%(limit)s”, which is not a limit of this mandate."),
    "limits_contradict": _("No portfolio keeps all of the limits."),
    "no_positive_excess": _("No portfolio within the limits earns more than the risk-free rate."),
    "ratio_without_limit": _("A portfolio without any risk earns more than the risk-free rate: the ratio has no highest value."),
    "not_linear": _("The frontier knows linear limits only: leave %(limit)s out."),
    "solver_missing": _("The solver %(solver)s is not installed."),
    "too_few_common_weeks": _("The funds have only %(n_weeks)s weeks in common; %(needed)s are needed."),
    "unknown_mean": _("There is no mean “%(name)s”; there are %(known)s."),
    "unknown_covariance": _("There is no covariance “%(name)s”; there are %(known)s."),
    "unknown_unequal": _("There is no way “%(name)s” to use histories of different length; there are %(known)s."),
    "half_life_not_positive": _("The half-life must be a number of weeks above 0."),
    "half_life_too_short": _("A half-life of %(value)s weeks leaves too few returns that count: it must be at least %(least)s."),
    "weeks_not_1_or_2": _("A return spans 1 or 2 weeks, not %(value)s."),
    "years_not_positive": _("The years of history must be a number above 0."),
    "too_few_weeks_to_shrink": _(
        "To shrink the means of so many funds takes %(needed)s weekly returns; the youngest fund has %(n_weeks)s."
    ),
    "price_missing": _("Fund %(fund)s has no price on %(date)s, though it has earlier and later ones: fill it in or leave the fund out."),
    "view_without_fund": _("A view names no fund with a weight other than 0."),
    "view_not_finite": _("The view on %(funds)s holds a value that is not a number that can be used."),
    "confidence_out_of_range": _("The view on %(funds)s: a confidence lies between 0 and 1, not at %(value)s."),
    "unknown_view_fund": _("The views name fund %(fund)s, which is not in the price file or has too short a history."),
    "view_without_variance": _("The view on %(funds)s is about what has no variance, so that nothing can be learnt from it."),
    "views_contradict": _("The view on %(funds)s is held for certain, but contradicts other certain views."),
    "tau_not_positive": _("tau must be a number above 0."),
    "reference_mix_without_fund": _("None of the classes of the reference mix (%(classes)s) has a fund."),
    "unknown_mix_class": _("There is no class “%(asset_class)s” for the reference mix; there are %(known)s."),
    "weights_do_not_sum_to_one": _("The weights of %(name)s add up to %(total)s, not to 1."),
    "file_field_wrong": _("%(file)s: %(field)s is wrong (%(problem)s)."),
    "file_is_not_yaml": _("%(file)s is not a YAML file: line %(line)s cannot be read."),
    "labels_differ": _("Fund %(fund)s has only one of funds, mean and covariance: all three must name the same funds."),
    "moments_shape": _("There are %(n_funds)s funds, but the mean has the size %(mean)s and the covariance %(cov)s."),
    "moments_not_numbers": _("The mean or the covariance holds something that is not a number, or rows of different length."),
    "mean_not_finite": _("The mean of fund %(fund)s is not a number that can be used."),
    "cov_not_finite": _("The covariance of the funds %(fund)s and %(other)s is not a number that can be used."),
    "variance_negative": _("The variance of fund %(fund)s is below 0."),
    "cov_not_symmetric": _("The covariance is not symmetric: the two values of the funds %(fund)s and %(other)s differ by %(difference)s."),
    "cov_not_psd": _(
        "The covariance gives some portfolios a variance below 0, too far to repair: eigenvalues from %(smallest)s to %(largest)s."
    ),
    "backtest_too_short": _("A backtest covers at least %(days)s days."),
    "unknown_choice": _("“%(value)s” cannot be chosen; there are %(known)s."),
    "too_many_funds": _("%(n_funds)s funds are too many; a backtest takes at most %(most)s."),
    "unknown_fund_code": _("There is no fund %(fund)s."),
    "no_price_by": _("None of the funds has a price by %(date)s: begin later."),
    "no_pool_then": _("No fund was in the pool on that day."),
    "data_changed": _("The prices have been restated since the backtest was asked for: ask again."),
    "path_too_short": _("There are prices for %(n_days)s days only, too few for figures."),
}

_REASONS = {
    "fund_missing": _("the fund code is missing"),
    "code_too_long": _("the fund code is longer than 20 characters"),
    "code_unclear": _("the fund code has a slash or a control character in it"),
    "date_unreadable": _("the date cannot be read"),
    "date_in_future": _("the date lies in the future"),
    "duplicate_date": _("the date stands twice"),
    "nav_missing": _("the NAV is missing"),
    "nav_not_a_number": _("the NAV is not a number"),
    "nav_not_positive": _("the NAV is not above zero"),
    "nav_too_large": _("the NAV is above 1,000,000,000"),
    "cumulative_not_a_number": _("the cumulative NAV is not a number"),
    "total_return_not_a_number": _("the total return is not a number"),
    "total_return_missing": _("there is no good total return for this day"),
    "total_return_not_positive": _("the total-return index is not above zero"),
    "distribution_unclear": _("the distribution is not understood"),
    "income_not_a_number": _("the income of 10,000 units is not a number"),
    "annual_yield_not_a_number": _("the seven-day yield is not a number"),
    "income_unclear": _("the income or the yield is far beyond what a money-market fund can earn"),
    "fund_refused": _("the fund was left out because of its wrong rows"),
    "currency_differs": _("the prices are in another currency than the one the fund is kept in"),
    "jump_quarantined": _("the rows hold a jump that nothing explains, and wait for a decision"),
    "jump_rejected": _("the rows hold a jump that was rejected before"),
    "source_timeout": _("the source did not answer in time"),
    "source_unreachable": _("the source cannot be reached"),
    "source_refused": _("the source refuses more requests for now"),
    "source_not_data": _("the source answered with something that is no data, perhaps an error page"),
    "source_empty": _("the source has no prices of the fund"),
    "source_column_missing": _("the source's answer lacks a column"),
    "source_given_up": _("the source was not asked any more after it had failed several times in a row"),
    "manager_undated": _("it names another manager and not since when: manager_since is empty"),
    "fund_without_prices": _("the fund is not known: its prices come first"),
}

_PROBLEMS = {
    "missing": _("it is missing"),
    "extra_forbidden": _("it is not known here"),
    "too_short": _("it is empty"),
    "greater_than": _("it must be above %(bound)s"),
    "greater_than_equal": _("it must be at least %(bound)s"),
    "less_than": _("it must be below %(bound)s"),
    "less_than_equal": _("it must be at most %(bound)s"),
}

_NOTES = {
    "cumulative_nav_not_used": _("its cumulative NAV is not in units of today and was not used"),
    "distributions_from_cumulative_nav": _("%(detail)s distributions were read off the cumulative NAV"),
    "gaps": _("gaps of more than two weeks: %(detail)s"),
    "series_ends": _("its last price is of %(detail)s"),
    "closed_days": _("%(detail)s prices are of days on which the exchange was closed; they are kept"),
    "same_series": _("it has the same prices as %(detail)s"),
    "at_par_without_income": _("its NAV never moves and no income is given: its total return is nil"),
    "income_not_used": _("its NAV moves, so that the income is in it and was not added again"),
    "total_return_from_income": _("its total return comes from the daily income"),
    "total_return_from_seven_day_yield": _("its total return comes from the seven-day yield, which smooths it"),
    "category_from_words": _("category %(detail)s from its name or description"),
    "category_from_volatility": _("its category is not clear: %(detail)s by its volatility"),
    "grade_from_volatility": _("grade R%(detail)s by its volatility"),
    "grade_unknown": _("too short a history for a volatility: grade R%(detail)s, the highest"),
    "short_history": _("left out, too short a price history"),
    "stale": _("left out, no recent price"),
    "short_record": _("left out, less than two years of prices: its bad year cannot be judged"),
}


def error_sentence(code: str, params: Mapping[str, object]) -> str:
    """One sentence for the code and parameters of a kernel's or a file's error; an unknown code is named, never hidden."""
    shown = dict(params)
    if code in ("cvar_budget", "cvar_budget_of_record"):
        shown |= {name: f"{float(str(shown[name])):.2%}" for name in ("limit", "reached")}
    if code == "file_field_wrong":
        kind, _colon, bound = str(shown["problem"]).partition(":")
        shown["problem"] = str(_PROBLEMS.get(kind, _("its value is of the wrong kind"))) % {"bound": bound}
    if code in _SENTENCES:
        return str(_SENTENCES[code]) % shown
    return gettext("This cannot be done (%(code)s).") % {"code": code}


def row_sentence(code: str, *, line: int, fund: str) -> str:
    """One sentence for a row that was not stored."""
    params = {"line": line, "fund": fund or "-", "reason": row_reason(code)}
    return str(_SENTENCES["bad_row"]) % params


def row_reason(code: str) -> str:
    """What is wrong with a row, as the end of a sentence."""
    return str(_REASONS.get(code, code))


def import_problem(error: Mapping[str, Any] | None) -> str:
    """Why an import failed, as sentences; "" where it did not."""
    if not error:
        return ""
    params = dict(error.get("params") or {})
    first = params.pop("first", None)
    sentences = [error_sentence(str(error["code"]), params or error)]
    if first:
        sentences.append(error_sentence(str(first["code"]), first["params"]))
    return " ".join(sentences)


def note_sentence(fund: str, note: str) -> str:
    """One sentence for a note `code` or `code:detail` about a fund."""
    code, _colon, detail = note.partition(":")
    if code.startswith("category_from_") and (category := jurisdiction().categories.get(detail)):
        detail = category.name
    text = str(_NOTES.get(code, code)) % {"detail": detail}
    return gettext("%(fund)s: %(text)s") % {"fund": fund, "text": text}
