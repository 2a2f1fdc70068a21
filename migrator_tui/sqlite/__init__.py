"""One end of a migration: a SQLite file, frozen, inspected, profiled and read."""
