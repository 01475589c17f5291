"""What each role may do with reference data on the stock admin site."""

from identity.roles import Role

PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.ADMIN: (
        "portfolios.view_fund",
        "portfolios.view_importissue",
        "portfolios.view_importrun",
        "portfolios.view_pool",
        "portfolios.view_poolfund",
    ),
}
