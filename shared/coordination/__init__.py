"""Who may, and how often: request budgets and serialised calls, in Redis."""
