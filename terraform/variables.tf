variable "name" {
  description = "Name of this installation: of the EKS cluster, and what the names of all resources begin with. One a name and account, whatever the region: roles belong to the account."
  type        = string
  default     = "tonemill"

  validation {
    # 37 characters are what EKS leaves for the beginning of a node group's name, and "-gpu-on-demand-" takes 15 of them.
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name)) && !endswith(var.name, "-")
    error_message = "name is \"${var.name}\": use 1 to 20 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen; buckets and node groups are named after it."
  }
}

variable "region" {
  description = "AWS region of everything. Must be the provider's."
  type        = string

  validation {
    condition     = can(regex("^(af|ap|ca|eu|il|me|mx|sa|us)-(central|north|south|east|west|northeast|northwest|southeast|southwest)-[1-9]$", var.region))
    error_message = "region is \"${var.region}\": use the code of a commercial AWS region, such as eu-central-1 (not a zone such as eu-central-1a; China and GovCloud are not covered)."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of the jobs; the manifests in k8s/ use tonemill."
  type        = string
  default     = "tonemill"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace)) && !startswith(var.namespace, "kube-")
    error_message = "namespace is \"${var.namespace}\": Kubernetes wants 1 to 63 lower-case letters, digits and hyphens, and keeps kube-* for itself."
  }
}

variable "kubernetes_version" {
  description = "Version of control plane and nodes. Change addon_versions with it."
  type        = string
  default     = "1.35"

  validation {
    condition     = can(regex("^1\\.(3[2-9]|4[0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version is \"${var.kubernetes_version}\": give a minor version from 1.32 on, such as 1.35, without a patch."
  }
}

variable "addon_versions" {
  description = "Versions of the EKS add-ons for kubernetes_version; `aws eks describe-addon-versions` lists them."
  type        = map(string)
  default = {
    "aws-ebs-csi-driver"     = "v1.57.1-eksbuild.1"
    "coredns"                = "v1.13.2-eksbuild.3"
    "eks-pod-identity-agent" = "v1.3.10-eksbuild.2"
    "kube-proxy"             = "v1.35.2-eksbuild.4"
    "vpc-cni"                = "v1.21.1-eksbuild.3"
  }

  validation {
    condition = length(setsubtract(
      ["aws-ebs-csi-driver", "coredns", "eks-pod-identity-agent", "kube-proxy", "vpc-cni"], keys(var.addon_versions)
    )) == 0
    error_message = "addon_versions lacks a version: name aws-ebs-csi-driver, coredns, eks-pod-identity-agent, kube-proxy and vpc-cni."
  }

  validation {
    condition     = alltrue([for version in values(var.addon_versions) : can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+-eksbuild\\.[0-9]+$", version))])
    error_message = "A version in addon_versions is none: it looks like v1.13.2-eksbuild.3 (\"latest\" is no pin)."
  }

  validation {
    condition     = startswith(lookup(var.addon_versions, "kube-proxy", "v"), "v${var.kubernetes_version}.")
    error_message = "kube-proxy must have the minor version of kubernetes_version (${var.kubernetes_version}): change both."
  }
}

variable "admin_arns" {
  description = "IAM roles or users that may do everything in the cluster. Who applies this gets no rights by that alone."
  type        = set(string)

  validation {
    condition     = length(var.admin_arns) > 0
    error_message = "admin_arns is empty, and then nobody could reach the cluster: name at least one IAM role or user, for example your own (aws sts get-caller-identity)."
  }

  validation {
    condition     = alltrue([for arn in var.admin_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "admin_arns holds something else than the ARN of an IAM role or user (arn:aws:iam::123456789012:role/NAME; of an assumed role give the role itself)."
  }
}

variable "submitter_arns" {
  description = "IAM roles or users that become members of the Kubernetes group tonemill:submitters and nothing else."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.submitter_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "submitter_arns holds something else than the ARN of an IAM role or user (arn:aws:iam::123456789012:role/NAME)."
  }

  validation {
    condition     = length(setintersection(var.submitter_arns, var.admin_arns)) == 0
    error_message = "submitter_arns and admin_arns share a member; EKS takes one entry for each."
  }
}

variable "log_retention_days" {
  description = "Days that logs of the control plane and of the network are kept."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is ${var.log_retention_days}: CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 ... 3653 days."
  }
}

variable "budget" {
  description = "Alarm on the cost of a month: US dollars, who gets a mail, and whether only resources with the tag tonemill count (that tag must first be activated as a cost allocation tag)."
  type = object({
    monthly_usd = number
    emails      = set(string)
    only_tagged = optional(bool, false)
  })

  validation {
    condition     = var.budget.monthly_usd > 0
    error_message = "budget.monthly_usd is ${var.budget.monthly_usd}: give a positive number of US dollars, for an alarm at nothing is one all the time and one at less is none."
  }

  validation {
    condition     = length(var.budget.emails) > 0 && alltrue([for email in var.budget.emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", email))])
    error_message = "budget.emails needs at least one address, and only addresses (name@example.org): an alarm that nobody hears is none."
  }
}
