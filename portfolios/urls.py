"""The market pages: what is the same for everyone, for staff with the permission. Mounted at market/, names begin with market_."""

from django.urls import URLPattern, path

from portfolios.views import backtests

urlpatterns: list[URLPattern] = [
    # Imports and quarantine
    # Screens, the pool, decisions
    # Model portfolios
    # Backtests
    path("backtests/", backtests.backtest_list, name="market_backtest_list"),
    path("backtests/new/", backtests.backtest_new, name="market_backtest_new"),
    path("backtests/<int:pk>/", backtests.backtest, name="market_backtest"),
    path("backtests/<int:pk>/progress/", backtests.backtest_progress, name="market_backtest_progress"),
    path("backtests/<int:pk>/paths.csv", backtests.backtest_csv, name="market_backtest_csv"),
    # Alerts and grades
]
