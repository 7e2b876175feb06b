"""The one way a command says no."""


class Refusal(Exception):
    """The program cannot go on; the message is a sentence for the operator, and nothing was changed."""
