"""Tests of the way out to exchanges."""
