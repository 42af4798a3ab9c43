"""The cluster's bus, on Kafka. Nothing here is imported where stages run on this machine."""
