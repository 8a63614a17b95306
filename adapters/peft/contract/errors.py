"""The one error class of the engine."""


class EngineError(Exception):
    """An expected failure: a code for programs, a message for people, the parameter at fault."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
