"""The public names of marketing's selectors, gathered from one module a noun."""

from marketing.selectors.suggestions import suggestions_to_show

__all__ = [
    "suggestions_to_show",
]
