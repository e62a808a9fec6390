locals {
  autoscaler_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # EC2 and Auto Scaling take no resource for their Describe calls.
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "autoscaling:DescribeAutoScalingGroups",
          "autoscaling:DescribeAutoScalingInstances",
          "autoscaling:DescribeLaunchConfigurations",
          "autoscaling:DescribeScalingActivities",
          "autoscaling:DescribeTags",
          "ec2:DescribeImages",
          "ec2:DescribeInstanceTypes",
          "ec2:DescribeLaunchTemplateVersions",
          "ec2:GetInstanceTypesFromInstanceRequirements",
        ]
        Resource = "*"
      },
      {
        Sid      = "LookAtOurNodeGroups"
        Effect   = "Allow"
        Action   = ["eks:DescribeNodegroup"]
        Resource = "arn:${var.partition}:eks:${var.region}:${var.account_id}:nodegroup/${var.cluster_name}/*"
      },
      {
        Sid      = "ScaleOurNodeGroups"
        Effect   = "Allow"
        Action   = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
        Resource = "arn:${var.partition}:autoscaling:${var.region}:${var.account_id}:autoScalingGroup:*"
        Condition = {
          StringEquals = { "aws:ResourceTag/k8s.io/cluster-autoscaler/${var.cluster_name}" = "owned" }
        }
      },
    ]
  })
}

module "autoscaler" {
  source = "../pod_role"

  name             = "${var.name}-autoscaler"
  cluster_name     = var.cluster_name
  cluster_arn      = var.cluster_arn
  namespace        = "kube-system"
  service_accounts = ["cluster-autoscaler"]
  has_policy       = true
  policy           = local.autoscaler_policy
}
