"""How jobs are submitted: HTTP to the Ray Jobs API and to Kubernetes. Imports neither Ray nor torch.

Still empty: clusters come after the spine that runs on one machine.
"""
