output "values" {
  description = "Chart, version, namespace and values (YAML) of everything that Helm installs."
  value = {
    for name, chart in local.charts : name => {
      chart      = chart.chart
      version    = chart.version
      namespace  = chart.namespace
      repository = chart.repository
      values     = yamlencode(chart.values)
    }
  }
}

output "files" {
  description = "The same as files: one values file a chart, the storage class, and install.sh."
  value = merge(
    { for name, chart in local.charts : "${name}.yaml" => yamlencode(chart.values) },
    {
      "storage-class.yaml" = yamlencode(local.storage_class)
      "install.sh" = templatefile("${path.module}/install.sh.tftpl", {
        cluster_name   = var.cluster_name
        context        = var.context
        has_kueue      = var.has_kueue
        has_monitoring = var.has_monitoring
        repositories   = [for chart in local.in_order : chart.repository if chart.repository != null]
        charts         = local.in_order
      })
    },
  )
}
