"""A cluster over its life.

up_and_down         put up, taken down, looked at
cost                what it costs
terraform_output    an entry of the cluster file from what Terraform made
"""
