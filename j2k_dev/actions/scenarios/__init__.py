"""Scenarios: what they stand on, doing them, putting right what they broke, and keeping their verdicts."""
