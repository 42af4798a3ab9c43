"""Promotion to another cluster: the gate, a plan, the release in waves, its smoke run, and going back."""
