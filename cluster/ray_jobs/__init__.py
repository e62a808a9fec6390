"""The way to a cluster through Ray's job server.

submitter   jobs submitted, watched, stopped
server      its HTTP, with token, TLS, timeouts and retries
packages    small files that travel with a job
logs        a log followed while it is written
"""
