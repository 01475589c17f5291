"""The market pages: what is the same for everyone, for staff with the permission. Mounted at market/, names begin with market_."""

from django.urls import URLPattern, path

from portfolios.views import alerts, backtests, imports, market, models, pool, quarantine, screens

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
    path("", market.home, name="market_home"),
    path("screens/", screens.screen_list, name="market_screen_list"),
    path("screens/new/", screens.screen_new, name="market_screen_new"),
    path("screens/<int:pk>/", screens.screen, name="market_screen"),
    path("screens/<int:pk>/progress/", screens.screen_progress, name="market_screen_progress"),
    path("screens/<int:pk>/compare/", screens.screen_compare, name="market_screen_compare"),
    path("screens/<int:pk>/funds/<str:code>/", screens.screen_fund, name="market_screen_fund"),
    path("screens/<int:pk>/rows.csv", screens.screen_csv, name="market_screen_csv"),
    path("pool/", pool.pool, name="market_pool"),
    path("pool/versions/", pool.pool_versions, name="market_pool_versions"),
    path("pool/<int:pk>/", pool.pool_version, name="market_pool_version"),
    path("pool/<int:pk>/funds.csv", pool.pool_csv, name="market_pool_csv"),
    path("pool/decisions/", pool.decision_list, name="market_pool_decisions"),
    path("pool/decisions/new/", pool.decision_new, name="market_pool_decision_new"),
    path("pool/decisions/<int:pk>/", pool.decision, name="market_pool_decision"),
    path("pool/decisions/<int:pk>/decide/", pool.decision_decide, name="market_pool_decision_decide"),
    path("pool/decisions/<int:pk>/withdraw/", pool.decision_withdraw, name="market_pool_decision_withdraw"),
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
