"""How jobs are submitted: HTTP to the Ray Jobs API and to Kubernetes. Imports neither Ray nor torch.

    errors                  what can go wrong, as exceptions that say what to do
    addresses, settings     the file that names clusters; what an address and the URI of a bucket may be
    tokens                  where a cluster's token is kept, and whether it can be one
    job                     what is asked of a cluster and what it says of it, whichever way jobs go to it
    ray_jobs                the way through the job server of Ray:
        job_server          its HTTP, with token, TLS, timeouts and retries
        packages            small files that travel with a job
        job_logs            a log followed while it is written
"""
