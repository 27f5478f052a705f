"""``./voiceman``: the command line.

Standard output is for results; progress and errors go to standard error. Exit codes: 0 done, 1 a recording or
document failed (one sentence says what to do), 2 the command itself was wrong.
"""

from include.cli.app import app, main

__all__ = ["app", "main"]
