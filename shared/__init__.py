"""What two processes need; each room has one sentence and one driver."""
