"""The namespace written down and read back: by value what the notebook made, by name what libraries own."""
