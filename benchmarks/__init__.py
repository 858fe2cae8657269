"""The figures, and how to get them again."""
