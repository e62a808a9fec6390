"""How jobs are submitted: HTTP to the Ray Jobs API and to Kubernetes. Imports neither Ray nor torch.

errors                  what can go wrong, as exceptions that say what to do
addresses, settings     the file that names clusters; what an address and the URI of a bucket may be
tokens                  where a cluster's token is kept, and whether it can be one
job                     what is requested of a cluster and what it reports, whichever way jobs go to it
ray_jobs/               the way through the job server of Ray
kube/                   the way through Kubernetes, as RayJobs
schedules/              orders that are made on a schedule
lifecycle/              a cluster put up, taken down, looked at, priced
"""
