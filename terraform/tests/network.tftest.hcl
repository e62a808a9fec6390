# Applied, so that tables, gateways and subnets have the identities by which they refer to each other.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name                = "tonemill"
  region              = "eu-central-1"
  account_id          = "123456789012"
  partition           = "aws"
  cidr                = "10.20.0.0/16"
  zones               = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  nat                 = "one"
  interface_endpoints = []
  log_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days  = 365
}

run "three_private_zones_behind_one_gateway" {
  command = apply

  module {
    source = "./modules/network"
  }

  assert {
    condition     = output.private_subnet_cidrs == ["10.20.0.0/18", "10.20.64.0/18", "10.20.128.0/18"]
    error_message = "The workers' subnets are not three quarters of the range."
  }

  assert {
    condition     = [for subnet in aws_subnet.public : subnet.cidr_block] == ["10.20.192.0/22", "10.20.196.0/22", "10.20.200.0/22"]
    error_message = "The public subnets do not lie in the last quarter."
  }

  assert {
    condition     = alltrue([for subnet in concat(values(aws_subnet.private), values(aws_subnet.public)) : !subnet.map_public_ip_on_launch])
    error_message = "Something started in a subnet would get a public address."
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && toset([for route in aws_route.nat : route.nat_gateway_id]) == toset([aws_nat_gateway.this["eu-central-1a"].id])
    error_message = "Workers have another way out than one NAT gateway."
  }

  assert {
    condition     = length(aws_default_security_group.closed.ingress) == 0 && length(aws_default_security_group.closed.egress) == 0
    error_message = "The default security group lets something through."
  }
}

run "what_passes_is_logged_and_nothing_leaves_the_account" {
  command = apply

  module {
    source = "./modules/network"
  }

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flow.kms_key_id == var.log_key_arn
    error_message = "Flow logs are not complete, or not encrypted with our key."
  }

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && length(aws_vpc_endpoint.s3.route_table_ids) == 3
    error_message = "A zone reaches S3 through NAT."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_vpc_endpoint.s3.policy).Statement : statement
      if statement.Effect == "Deny" && contains(flatten([statement.Action]), "s3:PutObject*")
    ][0].Condition == { StringNotEquals = { "aws:ResourceAccount" = "123456789012" } }
    error_message = "The S3 endpoint lets objects be written into buckets of other accounts."
  }
}

run "a_gateway_a_zone_and_private_services_if_asked_for" {
  command = apply

  module {
    source = "./modules/network"
  }

  variables {
    cidr                = "10.20.0.0/20"
    nat                 = "per-zone"
    interface_endpoints = ["ecr.api", "ecr.dkr"]
  }

  assert {
    condition     = alltrue([for zone in var.zones : aws_route.nat[zone].nat_gateway_id == aws_nat_gateway.this[zone].id])
    error_message = "A zone goes out through the gateway of another."
  }

  assert {
    condition     = output.private_subnet_cidrs[0] == "10.20.0.0/22" && aws_subnet.public["eu-central-1c"].cidr_block == "10.20.12.128/26"
    error_message = "The smallest range is not divided as the largest."
  }

  assert {
    condition     = aws_vpc_endpoint.interface["ecr.dkr"].service_name == "com.amazonaws.eu-central-1.ecr.dkr" && aws_vpc_endpoint.interface["ecr.dkr"].private_dns_enabled
    error_message = "The registry is not reached privately."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.endpoints[0].cidr_ipv4 == "10.20.0.0/20" && aws_vpc_security_group_ingress_rule.endpoints[0].from_port == 443
    error_message = "The endpoints are open to others than the VPC."
  }
}
