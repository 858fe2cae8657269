"""The steps, each a raw SQL file and the few lines that run it."""
