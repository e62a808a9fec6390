"""The way to a cluster through Kubernetes.

api         the connection, through the official client
answers     what a refusal means
objects     what objects say of themselves
resources   objects applied, created once, watched, followed, deleted
templates   the overlays of k8s/, rendered and fitted to a cluster
manifest    the RayJob of a request, and its files
troubles    what keeps its pods from coming up
submitter   jobs submitted as RayJobs, watched, stopped
"""
