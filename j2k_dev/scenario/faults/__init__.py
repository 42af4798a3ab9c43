"""The faults: each one strikes, is undone, and proves that it happened."""
