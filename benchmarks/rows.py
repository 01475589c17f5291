"""One line of a benchmark's table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A claim, our figure and the reference's in words with units, their ratio, the bound, and how it came out."""

    claim: str
    ours: str
    reference: str = "–"
    ratio: str = "–"
    bound: str = "–"
    verdict: str = "ok"  # ok, short, or why it was not measured

    def line(self) -> str:
        return f"{self.claim:<62} {self.ours:>18} {self.reference:>18} {self.ratio:>8} {self.bound:>14}  {self.verdict}"
