"""Deployment: from a pipeline and its images to manifests, onto a cluster, and what the pods there are doing."""
