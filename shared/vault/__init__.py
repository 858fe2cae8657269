"""Seals and opens the users' credentials."""
