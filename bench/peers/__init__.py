"""The peers' side of the benchmarks: each a program of its own, run in a process of its own."""
