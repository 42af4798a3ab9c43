"""Scenarios: what is done to a running pipeline, what was seen of it, and what that proves."""
