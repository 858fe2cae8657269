"""What just happened, for whoever watches: Redis publish and subscribe; losing it only costs time."""
