"""Price files as a source: read once, sorted by fund on disk, and handed on fund by fund."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from portfolios.kernels.errors import DataError
from portfolios.sources.contract import FundFacts, Piece, Wanted
from portfolios.sources.csv import frames
from portfolios.sources.frame import filled, marked, with_total_return
from portfolios.sources.registry import CSV
from portfolios.sources.spill import Buckets
from portfolios.sources.tables import read_descriptions, read_fund_facts

_BYTES_A_BUCKET = 24 << 20  # some half a million rows: a few hundred megabytes while they are checked
_MOST_BUCKETS = 256
_GZIP_FACTOR = 8


@dataclass(frozen=True)
class Files:
    """Files of one import. `total_return` holds indices for the same funds, `descriptions` and `funds` say what they are."""

    prices: Path
    total_return: Path | None = None
    descriptions: Path | None = None
    funds: Path | None = None


class FileSource:
    """The source `csv`."""

    name = CSV

    def __init__(self, files: Files) -> None:
        self._files = files
        self._facts: dict[str, FundFacts] | None = None

    def describe(self, codes: Sequence[str]) -> Iterable[FundFacts]:
        """What the descriptions and the funds file say; the latter counts where both do."""
        known = {fact.code: fact for fact in self.describe_all()}
        return [known[code] for code in codes if code in known]

    def describe_all(self) -> Iterable[FundFacts]:
        """The facts of every fund they name; raises DataError for a table that cannot be used."""
        if self._facts is None:
            self._facts = _facts(self._files)
        return self._facts.values()

    def pieces(self, wanted: Wanted) -> Iterator[Piece]:
        """The file's funds, a bucket at a time. Nothing is handed on before the whole file was readable."""
        with tempfile.TemporaryDirectory() as folder:
            buckets = Buckets(Path(folder), _n_buckets(self._files.prices))
            for path, kind in ((self._files.prices, "prices"), (self._files.total_return, "indices")):
                if path is None:
                    continue
                for frame in frames(path):
                    buckets.add(frame, kind)
                    yield Piece((), filled(fund=[], date=[]))
                if not buckets.n_rows.get(kind):
                    raise DataError("file_has_no_rows", file=path.name)
            yield from _asked_for(self._whole_funds(buckets, wanted), wanted)

    def _whole_funds(self, buckets: Buckets, wanted: Wanted) -> Iterator[Piece]:
        for frame, indices in zip(buckets.frames(), buckets.frames("indices"), strict=True):
            if len(frame) and self._files.total_return is not None:
                frame = with_total_return(frame, marked(indices, wanted.today))
            yield Piece(tuple(sorted(set(frame["fund"]))), frame, n_funds=buckets.n_funds)


def _asked_for(pieces: Iterator[Piece], wanted: Wanted) -> Iterator[Piece]:
    """Leave out what is done already, what was not asked for, and days before those asked for."""
    n_before = 0
    for piece in pieces:
        codes = [code for code in piece.codes if not wanted.codes or code in wanted.codes]
        left = codes[max(0, wanted.skip - n_before) :]
        n_before += len(codes)
        frame = piece.frame[piece.frame["fund"].isin(left)] if len(left) < len(piece.codes) else piece.frame
        if wanted.since:
            first = frame["fund"].map({code: day.toordinal() for code, day in wanted.since.items()}).fillna(0)
            frame = frame[(frame["date"] >= first) | (frame["date"] < 0)]
        yield replace(piece, codes=tuple(left), frame=frame, n_funds=len(wanted.codes) or piece.n_funds)


def _n_buckets(path: Path) -> int:
    size = path.stat().st_size if path.exists() else 0
    return min(_MOST_BUCKETS, 1 + size * (_GZIP_FACTOR if path.suffix == ".gz" else 1) // _BYTES_A_BUCKET)


def _facts(files: Files) -> dict[str, FundFacts]:
    facts = {}
    if files.descriptions is not None:
        for code, name, text in read_descriptions(files.descriptions):
            facts[code] = FundFacts(code, words=text, columns={"name_en": name})
    if files.funds is not None:
        for row in read_fund_facts(files.funds):
            before = facts.get(row.code, FundFacts(row.code))
            facts[row.code] = replace(row, words=before.words, columns={**before.columns, **row.columns})
    return facts
