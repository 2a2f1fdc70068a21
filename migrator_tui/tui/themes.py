"""Colours: one dark and one light theme of the program's own; states are never told by colour alone."""

from __future__ import annotations

from textual.theme import Theme

THEMES = (
    Theme(
        name="migrator-dark",
        primary="#3ecf8e",
        secondary="#6ea8fe",
        accent="#f5b83d",
        foreground="#e4e7eb",
        background="#101418",
        surface="#171d23",
        panel="#1f272f",
        success="#3ecf8e",
        warning="#f5b83d",
        error="#f0616d",
        dark=True,
        variables={
            "footer-key-foreground": "#3ecf8e",
            "button-focus-text-style": "bold underline",
            "border-blurred": "#2b3640",
        },
    ),
    Theme(
        name="migrator-light",
        primary="#0b7a4b",
        secondary="#1f5fbf",
        accent="#8a5a00",
        foreground="#1b2126",
        background="#fafbfc",
        surface="#f1f4f6",
        panel="#e4e9ed",
        success="#0b7a4b",
        warning="#8a5a00",
        error="#b3202c",
        dark=False,
        variables={
            "footer-key-foreground": "#0b7a4b",
            "button-focus-text-style": "bold underline",
            "border-blurred": "#c9d2d9",
        },
    ),
)
