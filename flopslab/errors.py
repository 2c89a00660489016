"""What can go wrong, said so that the reader knows what to do next."""


class FlopslabError(Exception):
    """An error in three parts: what was asked, what was found, what to do."""

    def __init__(self, asked: str, found: str, remedy: str) -> None:
        self.asked, self.found, self.remedy = asked, found, remedy
        super().__init__(f"{asked}\n  found: {found}\n  to do: {remedy}")

    def __reduce__(self):
        return type(self), (self.asked, self.found, self.remedy)


class SequenceError(FlopslabError):
    """The word sequence cannot be read or does not make sense."""


class ParameterError(FlopslabError):
    """A parameter is unknown, out of range, or contradicts another."""


class ModelError(FlopslabError):
    """The diffusion model cannot be found, loaded or trusted, or made a bad frame."""


class RunError(FlopslabError):
    """The run directory does not hold what was asked, or belongs to another run."""


class FlopslabWarning(UserWarning):
    """Works, but probably not as intended."""
