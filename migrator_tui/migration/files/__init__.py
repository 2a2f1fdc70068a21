"""Files and blobs on their way into buckets, and out of them again."""
