"""The words that all rooms speak: schema, findings, decisions, plan, progress, outcome, errors.

Frozen dataclasses and pure functions; nothing here opens a file or a connection.
"""
