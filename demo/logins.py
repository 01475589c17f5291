"""The people of the demo whom a visitor may sign in as. The password is public: a licensed deployment never has them."""

from dataclasses import dataclass

from identity.roles import Role

PASSWORD = "hengtou-demo"  # noqa: S105
DOMAIN = "demo.hengtou.invalid"


@dataclass(frozen=True)
class DemoLogin:
    """`home` is the URL name of the page to begin with; `has_account` tells the rich investor from the fresh one."""

    role: Role
    email: str
    name: str
    home: str
    password: str = PASSWORD
    branch: str = ""
    has_account: bool = False


BRANCHES = ("北岸分部 North Bank", "南山分部 South Hill", "东湖分部 East Lake")

DEMO_LOGINS = [
    DemoLogin(Role.INVESTOR, f"investor@{DOMAIN}", "林若溪", "home", has_account=True),
    DemoLogin(Role.INVESTOR, f"new-investor@{DOMAIN}", "周知秋", "home"),
    DemoLogin(Role.ADVISOR, f"advisor@{DOMAIN}", "陈景行", "advisors:index", branch=BRANCHES[0]),
    DemoLogin(Role.SUPERVISOR, f"supervisor@{DOMAIN}", "高怀远", "advisors:index", branch=BRANCHES[0]),
    DemoLogin(Role.MARKETER, f"marketer@{DOMAIN}", "许听澜", "marketing_home"),
    DemoLogin(Role.ADMIN, f"admin@{DOMAIN}", "何以宁", "admin:index"),
]

# Colleagues, with the same password: five more advisors, a second supervisor and a second marketer.
COLLEAGUES = [
    DemoLogin(Role.ADVISOR, f"advisor2@{DOMAIN}", "宋临川", "advisors:index", branch=BRANCHES[0]),
    DemoLogin(Role.ADVISOR, f"advisor3@{DOMAIN}", "唐采薇", "advisors:index", branch=BRANCHES[1]),
    DemoLogin(Role.ADVISOR, f"advisor4@{DOMAIN}", "韩书航", "advisors:index", branch=BRANCHES[1]),
    DemoLogin(Role.ADVISOR, f"advisor5@{DOMAIN}", "冯望舒", "advisors:index", branch=BRANCHES[2]),
    DemoLogin(Role.ADVISOR, f"advisor6@{DOMAIN}", "邓北辰", "advisors:index", branch=BRANCHES[2]),
    DemoLogin(Role.SUPERVISOR, f"supervisor2@{DOMAIN}", "曹明河", "advisors:index", branch=BRANCHES[1]),
    DemoLogin(Role.MARKETER, f"marketer2@{DOMAIN}", "彭安歌", "marketing_home"),
]
