"""``python -m migrator_tui`` is ``migrator-tui``."""

from migrator_tui.cli import main

main()
