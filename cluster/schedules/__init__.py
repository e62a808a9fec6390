"""Orders that are made on a schedule.

cron            when, in the dialect of Kubernetes
schedule        the file that says what is made and when
manifests       what it becomes on Kubernetes
scheduled_runs  the run of one date
nightly         what the pod of a CronJob runs to make it
"""
