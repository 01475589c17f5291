"""The public names of marketing's selectors, gathered from one module a noun."""
