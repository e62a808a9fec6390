resource "aws_sns_topic" "alarm" {
  name              = "${var.name}-budget"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_policy" "alarm" {
  arn = aws_sns_topic.alarm.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "BudgetsOfThisAccountPublish"
      Effect    = "Allow"
      Principal = { Service = "budgets.amazonaws.com" }
      Action    = "SNS:Publish"
      Resource  = aws_sns_topic.alarm.arn
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${var.partition}:budgets::${var.account_id}:*" }
      }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.emails

  topic_arn = aws_sns_topic.alarm.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_budgets_budget" "this" {
  name         = "${var.name}-monthly"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_usd)
  limit_unit   = "USD"

  dynamic "cost_filter" {
    for_each = var.only_tagged ? [1] : []

    content {
      name   = "TagKeyValue"
      values = [format("user:tonemill$%s", var.name)]
    }
  }

  # Half and four fifths spent, all spent, and all going to be spent at this rate.
  dynamic "notification" {
    for_each = { half = [50, "ACTUAL"], most = [80, "ACTUAL"], spent = [100, "ACTUAL"], forecast = [100, "FORECASTED"] }

    content {
      comparison_operator       = "GREATER_THAN"
      threshold                 = notification.value[0]
      threshold_type            = "PERCENTAGE"
      notification_type         = notification.value[1]
      subscriber_sns_topic_arns = [aws_sns_topic.alarm.arn]
    }
  }

  depends_on = [aws_sns_topic_policy.alarm]
}
