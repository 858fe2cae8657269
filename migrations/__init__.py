"""The schema, in steps."""
