"""The builder of rules as plain form fields: what a marketer typed, kept as typed, and the rule that it makes."""

from marketing.rule_forms.sheets import Sheet, read_sheet, sheet_page

__all__ = ["Sheet", "read_sheet", "sheet_page"]
