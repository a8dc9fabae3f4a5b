"""Every exception that edgecut raises on purpose; this module imports nothing."""


class EdgecutError(Exception):
    """A fault in what the user gave us or asked for, told in plain text.

    Args:
        message: one sentence that names the file and the place.
        code: a stable kebab-case identifier, for example ``unknown-category``.
        where: the node, line or key at fault, where the message alone does not say it.
        hint: what the user can do about it.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, code: str, where: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.where = where
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not pickle by themselves.
        return _rebuild, (type(self), self.message, self.code, self.where, self.hint)


class EdgecutWarning(UserWarning):
    """Something that the user should know and that stops nothing, told in plain text."""


class QualityGateMissed(EdgecutError):
    """What was asked for is there, but it is worse than it must be."""

    exit_code = 3


class MissingPackage(EdgecutError):
    """A package that only some jobs need is not installed."""

    def __init__(self, package: str, *, extra: str, why: str) -> None:
        super().__init__(
            f"{why} needs the package '{package}', which is not installed",
            code="missing-package",
            hint=f"pip install 'edgecut[{extra}]'",
        )


def _rebuild(
    kind: type[EdgecutError], message: str, code: str, where: str | None, hint: str | None
) -> EdgecutError:
    error = kind.__new__(kind)
    EdgecutError.__init__(error, message, code=code, where=where, hint=hint)
    return error
