"""Images: the environment that a notebook ran in, and a thin one on top of it for each stage."""
