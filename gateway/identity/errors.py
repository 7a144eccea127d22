"""Why can callers not be told apart at all?"""


class IdentityError(Exception):
    """What the operator gave is not usable: a key, a folder, a file. The text says which, and what to do."""
