"""What is true. Plain functions over an open psycopg connection, one file per subject.

Connections of the pool are in autocommit: a function by itself is atomic, and a caller that wants two of
them together writes `with db.transaction():` around both. Times are epoch milliseconds outside, `timestamptz`
inside; spans are `timedelta`.
"""
