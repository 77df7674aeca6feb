"""Objects in S3: their keys, what is sent and fetched, and how often that is tried."""
