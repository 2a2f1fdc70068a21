"""The Postgres end: connect, inspect, privileges, ddl, load, ledger, merge, publish, undo; the embedded server."""
