"""The market pages: what is the same for everyone, for staff with the permission. Mounted at market/, names begin with market_."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = [
    # Imports and quarantine
    # Screens, the pool, decisions
    # Model portfolios
    # Backtests
    # Alerts and grades
]
