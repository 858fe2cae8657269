"""The tests. Rooms mirror the tree; what they share stands in `fixtures/`."""
