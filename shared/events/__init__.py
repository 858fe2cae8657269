"""What just happened, for whoever watches: hints over Redis pub/sub. Losing one costs time; Postgres is the truth."""
