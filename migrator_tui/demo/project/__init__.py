"""A stand-in for a Supabase project: its database layout, its Auth and Storage APIs and its pooler, on this machine.

Product code for the demo, and what the tests of everything Supabase run against. It answers as the real servers were
seen to answer, errors included; :mod:`migrator_tui.demo.project.project` starts it.
"""
