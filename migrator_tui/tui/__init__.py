"""The screens: a window on a :class:`~migrator_tui.migration.guide.Guide` and a run, and nothing else."""
