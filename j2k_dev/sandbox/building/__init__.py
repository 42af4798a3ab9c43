"""Building the images from packages alone: recipes, the artefacts they give, and where those are kept."""
