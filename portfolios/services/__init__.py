"""The public names of portfolios's services, gathered from one module a noun."""
