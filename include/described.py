"""Whether the documents' models know what their attributes' docstrings say."""

__all__ = ["DESCRIBED"]

DESCRIBED = False
"""Only the JSON Schemas need descriptions (``./voiceman schemas`` sets this before it reads the models): to find them,
pydantic reads each class's source, which is up to 0.5 CPU seconds of the start of every task's process."""
