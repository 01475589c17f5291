"""The public names of advisor's services, gathered from one module a noun."""
