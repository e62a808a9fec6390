output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Subnets of the workers, in the order of the zones."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "private_subnet_cidrs" {
  description = "Address ranges of the workers, in the order of the zones."
  value       = [for zone in var.zones : aws_subnet.private[zone].cidr_block]
}

output "nat_addresses" {
  description = "Public addresses that the workers are seen with from outside."
  value       = [for zone in sort(keys(local.nat_zones)) : aws_eip.nat[zone].public_ip]
}
