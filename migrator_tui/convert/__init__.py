"""SQLite <-> Postgres: types, values, expressions, identifiers. Pure functions, no connection."""
