"""What can go wrong, explained so that the reader knows what to do next."""


class FlopslabError(Exception):
    """An error in three parts: what was expected, what was there, what to do."""

    def __init__(self, expected: str, actual: str, hint: str) -> None:
        self.expected, self.actual, self.hint = expected, actual, hint
        super().__init__(f"{expected}\n  found: {actual}\n  to do: {hint}")

    def __reduce__(self) -> tuple[type["FlopslabError"], tuple[str, str, str]]:
        return type(self), (self.expected, self.actual, self.hint)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows under a cell: the three lines, without the traceback."""
        return f"{type(self).__name__}: {self}".splitlines()


class SequenceError(FlopslabError):
    """The word sequence cannot be read or does not make sense."""


class ParameterError(FlopslabError):
    """A parameter is unknown, out of range, or contradicts another."""


class ModelError(FlopslabError):
    """The diffusion model cannot be found, loaded or trusted, or made a bad frame."""


class MemoryShortageError(ModelError):
    """The diffusion model needs more memory than there is."""


class RunError(FlopslabError):
    """The run directory does not hold what was asked, or belongs to another run."""


class RunInterrupted(KeyboardInterrupt):
    """Somebody interrupted a run; the text says what is kept and how to go on."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class FlopslabWarning(UserWarning):
    """Works, but probably not as intended."""
