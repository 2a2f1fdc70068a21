"""Pulling: the target's tables, users' ids and files into a new SQLite file and a folder beside it."""
