"""Exchanges that exist only for tests of the workers."""
