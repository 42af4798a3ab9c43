"""The recorder: runs the whole notebook once and notes what every cell did.

Travels into the notebook's interpreter.
"""
