"""What commands do: one action per arrow of the way of the data, and packages for what takes several files."""
