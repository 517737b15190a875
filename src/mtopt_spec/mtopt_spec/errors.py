"""The one exception for input that a person can put right."""


class InputError(ValueError):
    """Bad input: a file, a parameter or a message that is not what it must be.

    Args:
        what: The thing that is wrong (`checkpoint`, `task`).
        where: File, topic or argument in which it was found.
        got: What was found.
        expected: What should be there.
        todo: What the person can do about it.
    """

    def __init__(self, what: str, *, where: object, got: object, expected: object, todo: str = ""):
        text = f"{what} in {where}: got {got}, expected {expected}"
        super().__init__(f"{text}; {todo}" if todo else text)
        self.what = what
