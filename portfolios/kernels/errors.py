"""What can go wrong in a kernel, as data: a code and its parameters. The sentence is made where it is shown."""


class KernelError(Exception):
    """A failure that carries `code` and `params`; the caller shows a sentence made from them."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params

    def __str__(self) -> str:
        return f"{self.code} {self.params}" if self.params else self.code


class DataError(KernelError):
    """The input is wrong or too thin: mend the input; solving again changes nothing."""


class InfeasibleError(KernelError):
    """No portfolio keeps every limit: `code` names the limit that cannot be kept."""


class SolverError(KernelError):
    """A solver failed on a problem that is well posed: report it; it is not the caller's input."""
