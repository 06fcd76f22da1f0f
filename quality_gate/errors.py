"""The one kind of error that a user can cause and mend."""

import click


class UserError(click.ClickException):
    """Something the user did wrong, said in one sentence that names the file or field and the way out.

    Command lines print the sentence after ``Error:`` and exit with 1; no stack trace is shown.
    """

    def __reduce__(self) -> tuple[type["UserError"], tuple[str]]:
        """Keep the message when the error crosses a process boundary."""
        return type(self), (self.message,)
