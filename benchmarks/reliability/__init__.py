"""What we promise of a bad day, measured on the whole system; the answers stand in docs/reliability.md."""
