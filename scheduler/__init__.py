"""The clock: decides what is due and queues it."""
