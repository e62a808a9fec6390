"""What a customer orders, the plan that meets it, and the constraints that enforce it."""
