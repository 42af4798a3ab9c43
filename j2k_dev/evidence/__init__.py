"""What was verified, signed: the local key, the keys that are trusted, and the file of evidence in a workspace."""
