"""``python -m include.cli``."""

from include.cli import main

main()
