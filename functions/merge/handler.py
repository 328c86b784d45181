"""Placeholder until the handler is written."""


def handler(event: object, context: object) -> dict[str, object]:
    """Answer nothing."""
    raise NotImplementedError
