"""What a customer requests, the plan that meets it, and the constraints that enforce it."""
