"""Dialogs: what is asked before something happens that matters."""
