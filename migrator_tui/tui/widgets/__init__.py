"""Widgets by what they show."""
