"""The dictionary of profiles, as docs/profile-fields.md: written by `manage.py write_profile_dictionary`, and nowhere by hand."""

from pathlib import Path

from django.conf import settings

from marketing.catalogue import ProfileField, profile_words

HEAD = """# 画像字段 · Fields of a profile

由 `manage.py write_profile_dictionary` 生成，请勿手改。Written by `manage.py write_profile_dictionary`; do not edit.

每位投资者一行，按上海日。每周全量重建一次；其余每晚增量：所有人的身份、持仓、市值与持有经历都重读，委托、访问与消息只重读当日有变动或有记录移出
窗口的人。没有改变的行保留写下它的那次重建的编号和日期；画像截至哪一天，以最近一次完成的重建为准。余额与市值是重建时的，不按日保存。

One row an investor, by days in Shanghai. Built whole once a week and incrementally on the other nights: who everybody is, what
they hold, what it is worth and what they lived through with it is read anew of all; orders, visits and messages of those to
whom something happened or out of whose windows something dropped. A row in which nothing changed keeps the number and the
day of the build that wrote it; the last finished build says until when profiles are true. Balances and values are those of the
moment of the build: they are not kept a day.

| 字段 Field | 含义 Meaning | 类型 Kind | 来源 Source | 更新 Refresh | 可用于 Use |
|---|---|---|---|---|---|
"""


def dictionary_path() -> Path:
    return Path(settings.BASE_DIR) / "docs" / "profile-fields.md"


def profile_dictionary() -> str:
    """The whole page."""
    return HEAD + "\n".join(_line(field) for field in profile_words().fields) + "\n"


def _line(field: ProfileField) -> str:
    words = profile_words()
    zh = f"{field.zh}：{field.meaning_zh}" if field.meaning_zh else field.zh
    en = f"{field.en}: {field.meaning_en}" if field.meaning_en else field.en
    values = f" ({', '.join(field.values)})" if isinstance(field.values, list) else ""
    refresh = {"nightly": "每晚 nightly"}.get(field.refresh, field.refresh)
    source, use = words.sources[field.source], words.uses[field.sensitivity]
    cells = [f"`{field.name}`", f"{zh}<br>{en}{values}", field.kind, f"{source.zh} {source.en}", refresh, f"{use.zh}<br>{use.en}"]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
