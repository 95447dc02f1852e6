"""What the command line says in one line before it gives up."""


class StackError(Exception):
    """Something the person at the terminal can act on; the message says how."""
