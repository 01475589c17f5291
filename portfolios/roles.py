"""What each role may do with reference data: on the stock admin site, and on the market pages."""

from identity.roles import Role

_READ = tuple(
    f"portfolios.view_{name}"
    for name in ("fund", "importrun", "pool", "pooldecision", "screenrun", "modelset", "backtest", "marketalert", "gradechange")
)

PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.ADVISOR: (*_READ, "portfolios.add_pooldecision", "portfolios.add_backtest"),
    Role.SUPERVISOR: (
        *_READ,
        "portfolios.add_backtest",
        "portfolios.add_modelset",
        "portfolios.add_pooldecision",
        "portfolios.add_screenrun",
        "portfolios.change_modelset",
        "portfolios.change_pooldecision",
        "portfolios.change_quarantinedhistory",
        "portfolios.view_quarantinedhistory",
    ),
    Role.ADMIN: (
        *_READ,
        "portfolios.add_backtest",
        "portfolios.add_importrun",
        "portfolios.add_modelset",
        "portfolios.add_screenrun",
        "portfolios.change_quarantinedhistory",
        "portfolios.view_importissue",
        "portfolios.view_poolfund",
        "portfolios.view_quarantinedhistory",
    ),
}
