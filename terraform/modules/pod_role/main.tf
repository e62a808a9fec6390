# A role that pods of named service accounts take through EKS Pod Identity. The agent tags the session with where the pod
# runs; the trust policy asks for those tags, so an association made elsewhere in the account gives nobody this role.

resource "aws_iam_role" "this" {
  name = var.name

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "PodsOfTheseServiceAccounts"
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = {
          "aws:RequestTag/eks-cluster-arn"            = var.cluster_arn
          "aws:RequestTag/kubernetes-namespace"       = var.namespace
          "aws:RequestTag/kubernetes-service-account" = sort(var.service_accounts)
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  count = var.has_policy ? 1 : 0

  name   = "pods"
  role   = aws_iam_role.this.id
  policy = var.policy
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = var.managed_policy_arns

  role       = aws_iam_role.this.name
  policy_arn = each.value
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = var.service_accounts

  cluster_name    = var.cluster_name
  namespace       = var.namespace
  service_account = each.key
  role_arn        = aws_iam_role.this.arn

  # A pod that starts between association and rights would be refused, and some never ask again.
  depends_on = [aws_iam_role_policy.this, aws_iam_role_policy_attachment.this]
}
