"""Opening text tables: gzip, byte order marks, GB18030, and sentences for what is no table."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pandas as pd

from portfolios.kernels.errors import DataError

_CHUNK_CELLS, _MOST_ROWS = 2_000_000, 200_000  # of a chunk: text takes some fifty bytes a cell
_MOST_BYTES = 4 << 30  # of text: a gzipped file may hold a thousand times its size
_MAGIC = {b"PK\x03\x04": "file_is_zip", b"\xd0\xcf\x11\xe0": "file_is_excel", b"%PDF": "file_is_pdf"}
_LONGEST_LINE = 16 << 20  # bytes: a row without an end would be held in memory whole
_UNREADABLE = (OSError, EOFError, zlib.error)  # what reading raises, gzipped or not
_LONGEST_HEADER = 1 << 20  # bytes: 10,000 funds side by side take a tenth of it
_HTML = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)
HEADERS = {
    "date": {"date", "nav_date", "trade_date", "净值日期", "日期", "交易日期"},
    "fund": {"fund", "code", "fund_code", "ticker", "symbol", "基金代码", "代码", "基金"},
    "nav": {"nav", "unit_nav", "price", "close", "单位净值", "净值"},
    "cumulative": {"cumulative_nav", "cum_nav", "accumulated_nav", "累计净值"},
    "total_return": {"total_return", "total_return_index", "复权净值", "复权单位净值"},
    "distribution": {"distribution", "dividend", "分红送配", "分红", "每份分红"},
    "split": {"split", "split_factor", "拆分", "份额折算", "折算比例"},
    "subscription": {"subscription", "subscription_state", "申购状态"},
    # Of money-market funds whose NAV stays at par: the day's income of 10,000 units, and the yield of seven days, annualised.
    "income": {"income_per_10k", "per_10k", "万份收益", "每万份收益", "每万份基金净收益", "每万份基金已实现收益"},
    "annual_yield": {"seven_day_yield", "7日年化收益率", "七日年化收益率", "7日年化", "七日年化"},
    "currency": {"currency", "币种"},
}


def chunks(path: Path, *, has_prose: bool = False) -> Iterator[tuple[pd.DataFrame, int]]:
    """Pieces of the file as stripped text with lower-case headers, and the line on which each starts.

    Raises DataError for a cell of several lines, which only a table with prose may have: elsewhere a quotation mark that
    nobody closed has swallowed rows.
    """
    with opened(path) as raw:
        _refuse_what_is_no_text(raw, path)
    encoding = _encoding(path)
    separator, n_columns = _separator(path, encoding)
    first_line = 2
    with opened(path) as raw:
        try:
            reader = pd.read_csv(
                raw,
                dtype=str,
                keep_default_na=False,
                na_filter=False,
                skip_blank_lines=False,
                encoding=encoding,
                sep=separator,
                chunksize=min(_MOST_ROWS, max(1, _CHUNK_CELLS // n_columns)),
            )
            for chunk in cast(Any, reader):
                tidy = _tidied(_without_overhang(chunk, first_line, path))
                if not has_prose:
                    _refuse_line_breaks(tidy, first_line, path)
                yield tidy, first_line
                first_line += len(chunk)
        except pd.errors.EmptyDataError as error:
            raise DataError("file_has_no_rows", file=path.name) from error
        except pd.errors.ParserError as error:
            # "Expected 2 fields in line 3" counts from 1, "EOF inside string starting at row 2" from 0.
            line, row = re.search(r"line (\d+)", str(error)), re.search(r"row (\d+)", str(error))
            number = int(line[1]) if line else int(row[1]) + 1 if row else 0
            code = "quote_not_closed" if "EOF inside string" in str(error) else "line_has_too_many_fields"
            raise DataError(code, file=path.name, line=number) from error


def _without_overhang(chunk: pd.DataFrame, first_line: int, path: Path) -> pd.DataFrame:
    """Rows that end in a comma, put back under their headers; raises DataError where something stands behind that comma.

    pandas takes the first fields of such rows for an index; told not to, it drops the last ones without a word, and a
    column of NAVs above 1,000 written with commas would come in as a column of ones.
    """
    if isinstance(chunk.index, pd.RangeIndex):
        return chunk
    names = list(chunk.columns)
    fields = chunk.reset_index().fillna("")
    beyond = fields.iloc[:, len(names) :].apply(lambda column: column.str.strip()).ne("").any(axis=1).to_numpy()
    if beyond.any():
        raise DataError("line_has_too_many_fields", file=path.name, line=first_line + int(beyond.argmax()))
    fields = fields.iloc[:, : len(names)]
    fields.columns = pd.Index(names)
    return fields


def _refuse_line_breaks(chunk: pd.DataFrame, first_line: int, path: Path) -> None:
    for _, column in chunk.items():
        together = "".join(column)  # far quicker than to ask each cell
        if "\n" in together or "\r" in together:
            at = int(column.str.contains(r"[\r\n]").to_numpy().argmax())
            raise DataError("quote_not_closed", file=path.name, line=first_line + at)


def _tidied(chunk: pd.DataFrame) -> pd.DataFrame:
    headers = [str(column).strip() for column in chunk.columns]
    lower = [header.lower() for header in headers]
    for header in lower:
        # pandas renames the second of two equal headers to "X.1".
        if lower.count(header) > 1 or (header.endswith(".1") and header[:-2] in lower):
            raise DataError("column_twice", column=header.removesuffix(".1"))
    chunk = chunk.fillna("").apply(lambda column: column.str.strip())
    chunk.columns = pd.Index(lower)
    chunk.attrs["headers"] = dict(zip(chunk.columns, headers, strict=True))
    return chunk


def opened(path: Path) -> BinaryIO:
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        return cast(BinaryIO, gzip.open(path, "rb")) if is_gzip else path.open("rb")
    except FileNotFoundError as error:
        raise DataError("file_not_found", file=path.name) from error
    except (IsADirectoryError, PermissionError) as error:
        raise DataError("file_not_readable", file=path.name) from error


def headers(path: Path) -> list[str]:
    """The lower-case headers of a text table, from its beginning alone; raises DataError for what is none."""
    with opened(path) as raw:
        _refuse_what_is_no_text(raw, path)
    with opened(path) as raw:
        try:
            head = raw.read(1 << 20)
        except _UNREADABLE as error:
            raise DataError("file_not_readable", file=path.name) from error
    for encoding in ("utf-16",) if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ("utf-8-sig", "gb18030"):
        try:
            line = codecs.getincrementaldecoder(encoding)().decode(head).replace("\r", "\n").split("\n", 1)[0]
        except UnicodeDecodeError:
            continue
        return [cell.strip().strip('"').strip().lower() for cell in line.split(max(",\t;", key=line.count))]
    raise DataError("file_is_not_text", file=path.name)


def _refuse_what_is_no_text(raw: BinaryIO, path: Path) -> None:
    try:
        head = raw.read(4096)
    except _UNREADABLE as error:
        raise DataError("file_not_readable", file=path.name) from error
    for magic, code in _MAGIC.items():
        if head.startswith(magic):
            raise DataError(code, file=path.name)
    if _HTML.match(head):
        raise DataError("file_is_html", file=path.name)
    if not head.strip():
        raise DataError("file_has_no_rows", file=path.name)
    if b"\x00" in head and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError("file_is_not_text", file=path.name)


def _encoding(path: Path) -> str:
    """UTF-8 if the whole file is, else GB18030 if it is that, which Chinese spreadsheets write; UTF-16 where it says so itself."""
    try:
        with opened(path) as raw:
            is_utf_16 = raw.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        for encoding in ("utf-16",) if is_utf_16 else ("utf-8-sig", "gb18030"):
            with opened(path) as raw:
                if _is_written_in(encoding, raw, path):
                    return encoding
    except _UNREADABLE as error:
        raise DataError("file_not_readable", file=path.name) from error
    raise DataError("file_is_not_text", file=path.name)


def _is_written_in(encoding: str, raw: BinaryIO, path: Path) -> bool:
    """Whether all of a file can be decoded; raises DataError for one too large, with NULs, or with a line without an end."""
    decoder, n_bytes, of_line = codecs.getincrementaldecoder(encoding)(), 0, 0
    try:
        while block := raw.read(1 << 20):
            n_bytes += len(block)
            if n_bytes > _MOST_BYTES:
                raise DataError("file_too_large", file=path.name)
            end = max(block.rfind(b"\n"), block.rfind(b"\r"))
            of_line = of_line + len(block) if end < 0 else len(block) - end
            if "\x00" in decoder.decode(block) or of_line > _LONGEST_LINE:
                raise DataError("file_is_not_text", file=path.name)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _separator(path: Path, encoding: str) -> tuple[str, int]:
    """What stands between the fields of the header, and how many those are."""
    with opened(path) as raw:
        head = raw.read(_LONGEST_HEADER).decode(encoding, errors="ignore")
    if "\n" not in head and "\r" not in head and len(head) > _LONGEST_HEADER // 4:
        raise DataError("file_is_not_text", file=path.name)
    header = head.split("\n", 1)[0]
    separator = max(",\t;", key=header.count)
    return separator, header.count(separator) + 1


def whole_text(path: Path) -> str:
    """The decoded text of a small file."""
    with opened(path) as raw:
        _refuse_what_is_no_text(raw, path)
    encoding = _encoding(path)
    with opened(path) as raw:
        return raw.read().decode(encoding)
