"""Moves an application from a local SQLite file to Postgres on Supabase, and back."""

__version__ = "0.1.0"
