"""The public names of advisor's selectors, gathered from one module a noun."""
