"""What each role may do here. A marketer works on segments and campaigns and never on persons."""

from identity.roles import Role

PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.MARKETER: (
        "marketing.view_segment",
        "marketing.add_segment",
        "marketing.change_segment",
        "marketing.delete_segment",
        "marketing.export_segment",
        "marketing.view_tag",
        "marketing.add_tag",
        "marketing.change_tag",
        "marketing.view_campaign",
        "marketing.add_campaign",
        "marketing.change_campaign",
        "marketing.view_recommenderrun",
        "marketing.add_recommenderrun",
    ),
    Role.ADMIN: ("marketing.view_recommenderrun", "marketing.view_apikey", "marketing.change_apikey"),
}
