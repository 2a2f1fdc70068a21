"""Planning: what becomes of every table, column, key, user and file of the source, before anything is staged."""
