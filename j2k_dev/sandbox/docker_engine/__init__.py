"""The Docker engine of this machine: finding it, and having one where none answers."""
