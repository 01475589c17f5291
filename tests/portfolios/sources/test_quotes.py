"""A quotation mark that nobody closes swallows the rows behind it: such a file is refused with the line, whatever reads it."""

import pytest

from portfolios.kernels.errors import DataError
from portfolios.selectors import error_sentence
from portfolios.sources.csv import read_prices
from portfolios.sources.tables import read_descriptions, read_fund_facts, read_grades

OPENED = [
    "code,date,nav",
    "000001,2026-03-02,1.0",
    '000001,"2026-03-03,1.1',
    "000002,2026-03-03,1.2",
    '000001,"2026-03-04",1.3',
    "000002,2026-03-04,1.3",
]
FUNDS = ["code,category,name_zh", "000001,bond,甲", '000002,bond,"乙', "000003,bond,丙", '000004,bond,"丁"', "000005,bond,戊"]
GRADES = ["000001,R1", "000002,R2", '000003,R2,"bond', "000004,R4", '000005,R3,"equity"', "000006,R5"]


@pytest.mark.parametrize(("read", "lines"), [(read_prices, OPENED), (read_fund_facts, FUNDS), (read_grades, GRADES)])
@pytest.mark.parametrize("n_lines", [4, 6])  # open to the end of the file, and closed by the next quotation mark
def test_the_line_is_named_and_nothing_read(tmp_path, read, lines, n_lines):
    path = tmp_path / "file.csv"
    path.write_text("\n".join(lines[:n_lines]) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as refused:
        read(path)
    assert (refused.value.code, refused.value.params["line"]) == ("quote_not_closed", 3)
    assert "3" in error_sentence(refused.value.code, refused.value.params)


def test_the_prose_of_a_description_may_go_over_lines(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text('code,name,text\n000001,A,"first\nsecond"\n000002,B,c\n', encoding="utf-8")
    assert [code for code, _, _ in read_descriptions(path)] == ["000001", "000002"]
