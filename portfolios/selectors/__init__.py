"""The public names of portfolios's selectors, gathered from one module a noun."""
