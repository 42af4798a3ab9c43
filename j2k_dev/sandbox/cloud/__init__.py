"""The twin of a cloud: a sandbox with EFS, EBS, zones, logins, certificates and a user with few rights."""
