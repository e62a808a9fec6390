# Keys, registry and alarm: small modules, one run each.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name       = "tonemill"
  account_id = "123456789012"
  partition  = "aws"
  region     = "eu-central-1"
  key_arn    = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "keys_rotate_and_serve_this_account_only" {
  command = plan

  module {
    source = "./modules/keys"
  }

  assert {
    condition     = alltrue([for key in [aws_kms_key.platform, aws_kms_key.data] : key.enable_key_rotation && key.deletion_window_in_days == 30])
    error_message = "A key does not rotate, or can be lost in less than 30 days."
  }

  assert {
    condition = alltrue([
      for statement in concat(jsondecode(aws_kms_key.platform.policy).Statement, jsondecode(aws_kms_key.data.policy).Statement) :
      try(statement.Principal.AWS, "") == "arn:aws:iam::123456789012:root" || can(statement.Condition)
    ])
    error_message = "Somebody outside of the account, or a service without a condition, may use a key."
  }

  assert {
    condition     = length(jsondecode(aws_kms_key.data.policy).Statement) == 1
    error_message = "Somebody beside the account's own roles may read the buckets."
  }
}

run "images_are_scanned_and_their_tags_stay" {
  command = plan

  module {
    source = "./modules/registry"
  }

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "A tag can be moved, or images are not scanned."
  }

  assert {
    condition     = aws_ecr_repository.this.encryption_configuration[0].encryption_type == "KMS" && aws_ecr_repository.this.encryption_configuration[0].kms_key == var.key_arn
    error_message = "Images are not encrypted with our key."
  }

  assert {
    condition     = alltrue([for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : rule.selection.tagStatus == "untagged"])
    error_message = "A tagged image would expire."
  }
}

run "the_alarm_is_heard_in_time_and_only_budgets_raise_it" {
  command = plan

  module {
    source = "./modules/budget"
  }

  variables {
    monthly_usd = 300
    emails      = ["studio@example.org"]
    only_tagged = true
  }

  assert {
    condition     = aws_budgets_budget.this.limit_amount == "300" && aws_budgets_budget.this.limit_unit == "USD" && aws_budgets_budget.this.time_unit == "MONTHLY"
    error_message = "The budget is another than the one asked for."
  }

  assert {
    condition     = toset([for alarm in aws_budgets_budget.this.notification : "${alarm.notification_type} ${alarm.threshold}"]) == toset(["ACTUAL 50", "ACTUAL 80", "ACTUAL 100", "FORECASTED 100"])
    error_message = "The alarm comes when the money is gone."
  }

  assert {
    condition     = join(" ", one(aws_budgets_budget.this.cost_filter).values) == "user:tonemill$tonemill"
    error_message = "The budget does not count by the tag."
  }

  assert {
    condition     = aws_sns_topic_subscription.email["studio@example.org"].protocol == "email" && aws_sns_topic.alarm.kms_master_key_id == var.key_arn
    error_message = "Nobody gets a mail, or the topic is not encrypted."
  }

  assert {
    condition     = [for statement in jsondecode(aws_sns_topic_policy.alarm.policy).Statement : statement.Condition.StringEquals["aws:SourceAccount"] if statement.Principal.Service == "budgets.amazonaws.com"] == ["123456789012"]
    error_message = "Budgets of other accounts could publish into the topic."
  }
}
