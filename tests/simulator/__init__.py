"""The simulator is held to what third-party clients read from it."""
