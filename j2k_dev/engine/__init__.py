"""Where workers live: the notebook's interpreter, the workspace, and the local engine."""
