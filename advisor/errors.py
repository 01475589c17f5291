"""Why a change was not made, as data; the page turns it into a sentence in the reader's language."""


class Refused(Exception):
    """A change that the rules do not allow. Nothing was written. `code` names the rule, `params` what it met."""

    def __init__(self, code: str, /, **params: object) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params
