"""Syncing: both ends brought to one state by what each changed since they were last alike."""
