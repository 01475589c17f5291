"""What each role may do on the stock admin site. What advisors may do is not a permission but a relation: advisor.rules."""

from identity.roles import Role

PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.ADMIN: ("advisor.view_branch", "advisor.view_cover", "advisor.view_staffmember"),
}
