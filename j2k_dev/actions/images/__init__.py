"""Images: where the environment comes from, and making and pushing what runs in pods."""
