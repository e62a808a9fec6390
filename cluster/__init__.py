"""How jobs are submitted: HTTP to the Ray Jobs API and to Kubernetes. Imports neither Ray nor torch.

errors       what can go wrong, as exceptions that say what to do
addresses    what an address and the URI of a bucket may be
settings     the file that names clusters
"""
