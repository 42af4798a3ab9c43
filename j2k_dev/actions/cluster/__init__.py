"""Pipelines on a cluster: where they go, deploying and running them, looking at them, and taking them away."""
