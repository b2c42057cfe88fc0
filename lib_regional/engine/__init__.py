"""Between methods and hosts: protocols, hook slots, plans, sessions, and how patches are undone."""
