variable "cidr" {
  description = "Address range of the VPC."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && can(regex("/(1[6-9]|20)$", var.cidr))
    error_message = "cidr is \"${var.cidr}\": give an IPv4 range from /16 to /20. AWS takes none larger, and in a smaller one the pods of 160 nodes run out of addresses."
  }

  validation {
    condition     = can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.cidr))
    error_message = "cidr is \"${var.cidr}\": give a private range (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16)."
  }
}

variable "zones" {
  description = "Three availability zones; empty: a, b and c of the region. GPU types are not in every zone."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.zones) == 0 || (length(var.zones) == 3 && length(distinct(var.zones)) == 3)
    error_message = "zones names ${length(distinct(var.zones))} zones: name three different ones, or none to have them chosen. Spot capacity and the control plane want three."
  }

  validation {
    condition     = alltrue([for zone in var.zones : startswith(zone, var.region)])
    error_message = "zones holds a zone of another region than ${var.region}."
  }
}

variable "nat" {
  description = "one: a single NAT gateway for all zones; per-zone: three, so that the loss of a zone cuts off no other."
  type        = string
  default     = "one"

  validation {
    condition     = contains(["one", "per-zone"], var.nat)
    error_message = "nat is \"${var.nat}\": choose \"one\" (cheap) or \"per-zone\" (survives the loss of a zone)."
  }
}

variable "interface_endpoints" {
  description = "AWS services reached privately instead of over NAT, each some 20 dollars a month: ecr.api and ecr.dkr pay off where large images are pulled often."
  type        = set(string)
  default     = []

  validation {
    condition     = !contains(var.interface_endpoints, "s3")
    error_message = "interface_endpoints holds s3, which has a gateway endpoint here already, for nothing."
  }
}

variable "public_access_cidrs" {
  description = "Address ranges that reach the API server from the internet, such as your office; empty: only the VPC does (VPN, peering, Session Manager)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.public_access_cidrs : can(cidrhost(cidr, 0))])
    error_message = "public_access_cidrs holds something else than an address range such as 203.0.113.7/32."
  }

  validation {
    condition     = var.allow_public_access_from_anywhere || alltrue([for cidr in var.public_access_cidrs : try(tonumber(split("/", cidr)[1]), 0) >= 8])
    error_message = "public_access_cidrs opens the API server to the whole internet (or nearly): name your own addresses, or set allow_public_access_from_anywhere = true if that is meant."
  }
}

variable "allow_public_access_from_anywhere" {
  description = "Lets public_access_cidrs hold 0.0.0.0/0. The API server still asks for an IAM identity."
  type        = bool
  default     = false
}
