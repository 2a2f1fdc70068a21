"""Backups: written, proven by a restore, and the keys that open them."""
