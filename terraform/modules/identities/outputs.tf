output "role_arns" {
  description = "Roles of the stages."
  value       = { for stage, role in module.stage : stage => role.arn }
}

output "policies" {
  description = "What each stage may do, as JSON: for reviews and tests."
  value       = local.policies
}

output "autoscaler_policy" {
  description = "What the cluster autoscaler may do, as JSON."
  value       = local.autoscaler_policy
}

output "autoscaler_role_arn" {
  description = "Role of the cluster autoscaler."
  value       = module.autoscaler.arn
}
