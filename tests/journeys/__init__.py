"""Journeys: real processes, real servers, simulated exchanges; what a person or a platform would do to them."""
