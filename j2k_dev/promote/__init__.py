"""Promotion: what was proven here goes to a named cluster, and nothing else; decisions are pure, effects in actions."""
