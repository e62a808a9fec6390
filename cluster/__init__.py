"""How jobs are submitted: HTTP to the Ray Jobs API and to Kubernetes. Imports neither Ray nor torch.

errors                  what can go wrong, as exceptions that say what to do
addresses, settings     the file that names clusters; what an address and the URI of a bucket may be
tokens                  where a cluster's token is kept, and whether it can be one
job                     what is asked of a cluster and what it says of it, whichever way jobs go to it
ray_jobs                the way through the job server of Ray:
    job_server          its HTTP, with token, TLS, timeouts and retries
    packages            small files that travel with a job
    job_logs            a log followed while it is written
kube_submitter          the way through Kubernetes, as RayJobs:
    kube_manifest       the RayJob of a request, and its files
    kube_troubles       what keeps its pods from coming up
kube                    objects of Kubernetes: applied, created once, watched, followed, deleted
    kube_api            the connection, through the official client
    kube_answers        what a refusal means
    kube_objects        what objects tell of themselves
manifests               the overlays of k8s/, rendered and fitted to a cluster
lifecycle, cost         a cluster put up, taken down, looked at, priced
terraform_output        a cluster of the file from what Terraform made
schedule, cron          an order for every night, read from its file
schedule_manifests      what it is on Kubernetes
nights, nightly         the run of one night, and what the pod of a CronJob runs to make it
"""
