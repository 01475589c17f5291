"""Forms of the market pages, one module a noun."""
