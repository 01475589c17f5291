"""The market pages: what is the same for everyone, for staff with the permission. Mounted at market/, names begin with market_."""

from django.urls import URLPattern, path

from portfolios.views import alerts, backtests, imports, models, quarantine

urlpatterns: list[URLPattern] = [
    # Imports and quarantine
    path("imports/", imports.import_list, name="market_import_list"),
    path("imports/new/", imports.import_new, name="market_import_new"),
    path("imports/<int:pk>/", imports.import_run, name="market_import"),
    path("imports/<int:pk>/progress/", imports.import_progress, name="market_import_progress"),
    path("imports/<int:pk>/rows.csv", imports.import_issues, name="market_import_issues"),
    path("quarantine/", quarantine.quarantine_list, name="market_quarantine_list"),
    path("quarantine/<int:pk>/", quarantine.quarantine, name="market_quarantine"),
    path("quarantine/<int:pk>/decide/", quarantine.quarantine_decide, name="market_quarantine_decide"),
    # Screens, the pool, decisions
    # Model portfolios
    path("models/", models.model_list, name="market_model_list"),
    path("models/new/", models.model_new, name="market_model_new"),
    path("models/<int:pk>/", models.model_set, name="market_model_set"),
    path("models/<int:pk>/progress/", models.model_progress, name="market_model_progress"),
    path("models/<int:pk>/compare/", models.model_compare, name="market_model_compare"),
    path("models/<int:pk>/decide/", models.model_decide, name="market_model_decide"),
    # Backtests
    path("backtests/", backtests.backtest_list, name="market_backtest_list"),
    path("backtests/new/", backtests.backtest_new, name="market_backtest_new"),
    path("backtests/<int:pk>/", backtests.backtest, name="market_backtest"),
    path("backtests/<int:pk>/progress/", backtests.backtest_progress, name="market_backtest_progress"),
    path("backtests/<int:pk>/paths.csv", backtests.backtest_csv, name="market_backtest_csv"),
    # Alerts and grades
    path("alerts/", alerts.alert_list, name="market_alerts"),
    path("grades/", alerts.grade_list, name="market_grades"),
]
