"""Comparing: both ends object by object and row by row, held to what a migration would make."""
