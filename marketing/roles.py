"""What each role may do here. A marketer works on segments and campaigns and never on persons."""

from identity.roles import Role

PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.MARKETER: (
        "marketing.view_segment",
        "marketing.add_segment",
        "marketing.view_campaign",
        "marketing.add_campaign",
        "marketing.change_campaign",
    ),
    Role.ADMIN: ("marketing.view_recommenderrun",),
}
