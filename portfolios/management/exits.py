"""How a kernel's error ends a command: one sentence on stderr and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.utils import translation

from portfolios.kernels.errors import DataError, SolverError
from portfolios.management.language import shell_language
from portfolios.selectors import error_sentence, row_reason

SOLVED, BAD_INPUT, INFEASIBLE, SOLVER_FAILED = 0, 2, 3, 4


@contextmanager
def spoken_errors() -> Iterator[None]:
    """Run in the shell's language; DataError ends with 2 and SolverError with 4, each as its sentence."""
    with translation.override(shell_language()):
        try:
            yield
        except DataError as error:
            params = error.params
            if error.code == "bad_row":
                params = {**params, "reason": row_reason(str(params["reason"]))}
            raise CommandError(error_sentence(error.code, params), returncode=BAD_INPUT) from error
        except SolverError as error:
            raise CommandError(error_sentence(error.code, error.params), returncode=SOLVER_FAILED) from error
