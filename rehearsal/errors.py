"""The one error that ends a rehearsal."""


class RehearsalError(Exception):
    """Something a rehearsal needs is missing or went wrong; the message is one sentence."""
