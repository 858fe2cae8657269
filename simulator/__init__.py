"""Exchanges to test against, with their truth on record. Knows nothing of `shared.exchanges`."""
