"""How processes wake each other: typed requests over dramatiq."""
