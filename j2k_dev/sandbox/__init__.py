"""The sandbox: a real Kubernetes cluster, image registry and Kafka broker on this machine."""
