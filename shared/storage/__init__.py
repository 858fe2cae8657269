"""What is true: Postgres, spoken plainly. Functions take an open connection; one file a subject."""
