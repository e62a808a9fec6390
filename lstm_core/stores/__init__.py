"""What lies under lstm_core.storage: local files, S3, leases."""
