variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "key_arn" {
  description = "Key of the images."
  type        = string
}
