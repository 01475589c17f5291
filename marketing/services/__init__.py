"""The public names of marketing's services, gathered from one module a noun."""
