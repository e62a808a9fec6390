output "arn" {
  description = "The role."
  value       = aws_iam_role.this.arn
  depends_on  = [aws_eks_pod_identity_association.this]
}
