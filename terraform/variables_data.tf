variable "bucket_prefix" {
  description = "What the names of the four buckets begin with; empty: name and account, which nobody else has."
  type        = string
  default     = ""

  validation {
    condition     = length(var.bucket_prefix) <= 53
    error_message = "bucket_prefix has ${length(var.bucket_prefix)} characters: 53 are left of the 63 of a bucket's name, because \"-catalogue\" is added."
  }

  validation {
    condition     = var.bucket_prefix == "" || can(regex("^[a-z0-9][a-z0-9-]*[a-z0-9]$", var.bucket_prefix))
    error_message = "bucket_prefix is \"${var.bucket_prefix}\": use lower-case letters, digits and hyphens (dots break TLS), with a letter or digit at both ends."
  }

  validation {
    condition     = !startswith(var.bucket_prefix, "xn--") && !startswith(var.bucket_prefix, "sthree-")
    error_message = "bucket_prefix is \"${var.bucket_prefix}\": S3 keeps that beginning for itself."
  }
}

variable "data_prefix" {
  description = "Key prefix inside the buckets that jobs are held to, such as studio-a; empty: the whole buckets."
  type        = string
  default     = ""

  validation {
    condition     = var.data_prefix == "" || can(regex("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", var.data_prefix))
    error_message = "data_prefix is \"${var.data_prefix}\": give a folder such as studio-a or studio-a/games, without slashes at its ends and without * or ?, which would widen the rights."
  }
}

variable "noncurrent_days" {
  description = "Days that a replaced or deleted object can be brought back. What was not replaced or deleted is kept for ever."
  type = object({
    corpus    = optional(number, 90)
    blocks    = optional(number, 14)
    runs      = optional(number, 30)
    catalogue = optional(number, 90)
  })
  default = {}

  validation {
    condition     = alltrue([for days in values(var.noncurrent_days) : days >= 1 && floor(days) == days])
    error_message = "noncurrent_days wants whole days, 1 at least."
  }
}

variable "access_log_bucket" {
  description = "An existing bucket of this region for S3 server access logs; null for none."
  type        = string
  default     = null
}

variable "development_role" {
  description = "Whether the standing development cluster (tonemill cluster up) gets a role with the rights of all three stages. Without it only RayJobs can read and write."
  type        = bool
  default     = true
}

variable "image_tag" {
  description = "Tag of the image in the cluster file."
  type        = string
  default     = "0.1.0"

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag is \"${var.image_tag}\": name a version; tags of the repository cannot be moved, so \"latest\" would stay what it first was."
  }
}

variable "overlay" {
  description = "Folder of k8s/overlays; null: gpu-spot with GPU nodes, kueue with Kueue, else cpu-small."
  type        = string
  default     = null

  validation {
    condition     = var.overlay == null ? true : contains(["cpu-small", "gpu-spot", "kueue"], var.overlay)
    error_message = "overlay is \"${coalesce(var.overlay, "null")}\": there are cpu-small, gpu-spot and kueue."
  }

  validation {
    condition     = var.overlay == "gpu-spot" ? var.gpu_nodes != null : true
    error_message = "overlay is gpu-spot but gpu_nodes is null: its workers would wait for ever."
  }

  validation {
    condition     = var.overlay == "kueue" ? var.kueue : true
    error_message = "overlay is kueue but kueue is false: set kueue = true."
  }
}

variable "prices" {
  description = "Price of an hour of one node of each kind and of a gigabyte-month of S3, for `tonemill cluster cost`. The defaults are rough (see README.md): put in what you pay."
  type = object({
    currency         = optional(string, "USD")
    head             = optional(number, 0.23)
    cpu              = optional(number, 0.20)
    gpu              = optional(number, 0.45)
    storage_gb_month = optional(number, 0.0245)
  })
  default = {}

  validation {
    condition     = alltrue([for price in [var.prices.head, var.prices.cpu, var.prices.gpu, var.prices.storage_gb_month] : price >= 0])
    error_message = "prices holds a negative number."
  }

  validation {
    condition     = can(regex("^[A-Z]{3}$", var.prices.currency))
    error_message = "prices.currency is \"${var.prices.currency}\": use three capital letters, such as USD."
  }
}
