"""Names that nobody bears: fund companies, fund names and people of the simulated world, in both languages."""

# Two whimsical nouns each, so that nobody takes them for a licensed company.
COMPANIES = [
    ("雾桥", "Mistbridge"), ("纸鸢", "Paperkite"), ("盐灯", "Saltlamp"), ("苔原", "Mosswold"), ("月坞", "Moonharbour"),
    ("竹舟", "Bamboo Boat"), ("萤塔", "Fireflytower"), ("青瓷船", "Celadon Ship"), ("鲸谷", "Whalevale"), ("松针", "Pineneedle"),
    ("石榴井", "Pomegranate Well"), ("白鹭屿", "Egret Isle"), ("陶埙", "Clayflute"), ("桑果", "Mulberry"), ("麦浪", "Wheatwave"),
    ("铜铃", "Copperbell"), ("芦花", "Reedflower"), ("棋子湾", "Chesspiece Bay"), ("云梯", "Cloudladder"), ("砚池", "Inkpool"),
]  # fmt: skip

MOODS = [
    ("安和", "Calm"), ("恒景", "Steady View"), ("远山", "Far Hills"), ("晨光", "Morning Light"), ("知行", "Know and Do"),
    ("润泽", "Soft Rain"), ("行舟", "Rowing"), ("长庚", "Evening Star"), ("怀瑾", "Jade"), ("致远", "Long Road"),
]  # fmt: skip

# Per category: (theme code, Chinese, English); the theme decides the factor loadings in demo.market.
THEMES: dict[str, list[tuple[str, str, str]]] = {
    "money": [("", "货币A", "Money A"), ("", "货币B", "Money B")],
    "short_bond": [("", "短债A", "Short Bond A"), ("", "短债C", "Short Bond C")],
    "bond": [("rates", "利率债", "Government Bond"), ("credit", "信用债", "Credit Bond"), ("", "纯债A", "Pure Bond A")],
    "bond_plus": [("", "增强债券", "Bond Plus")],
    "mixed": [("growth", "成长混合", "Growth Mixed"), ("value", "价值混合", "Value Mixed"), ("", "平衡混合", "Balanced Mixed")],
    "gold": [("", "黄金联接", "Gold Feeder")],
    "index": [
        ("", "大盘指数", "Large Index"), ("growth", "小盘指数", "Small Index"),
        ("value", "红利指数", "Dividend Index"), ("", "全市场指数", "All-Share Index"),
    ],
    "reit": [("", "REITs 联接", "Property Trust Feeder")],
    "equity": [("growth", "成长股票", "Growth Shares"), ("value", "价值股票", "Value Shares"), ("", "精选股票", "Select Shares")],
    "qdii": [
        ("", "全球股票(QDII)", "Global Shares QDII"), ("", "北方市场(QDII)", "Northern Markets QDII"),
        ("growth", "海外科技(QDII)", "Overseas Technology QDII"),
    ],
    "sector": [
        ("health", "医药主题", "Health Theme"), ("technology", "科技主题", "Technology Theme"),
        ("consumer", "消费主题", "Consumer Theme"), ("energy", "新能源主题", "New Energy Theme"),
        ("finance", "金融主题", "Finance Theme"), ("materials", "材料主题", "Materials Theme"),
    ],
    "commodity": [("", "商品指数", "Commodity Index")],
}  # fmt: skip

SURNAMES = list("王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡")
GIVEN = [
    "若溪", "知秋", "映雪", "听澜", "怀远", "云舒", "子衿", "望舒", "念初", "清欢", "以宁", "书航", "景行", "慕言", "安歌", "听雨",
    "星野", "语冰", "白榆", "南乔", "北辰", "青禾", "半夏", "夏木", "秋实", "冬阳", "春晓", "明河", "远舟", "临川", "素问", "采薇",
    "如松", "竹青", "兰舟", "菊影", "晚舟", "朝歌", "扶摇", "逐月", "守拙", "抱朴", "若谷", "行止", "思齐", "见微", "知著", "乐之",
]  # fmt: skip
