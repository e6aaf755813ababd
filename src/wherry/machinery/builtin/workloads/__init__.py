"""Pods and the kinds that make them: `TABLE` maps (group, resource) to "module:Class" below this package."""

TABLE: dict[tuple[str, str], str] = {
    ("", "pods"): "pods:Pods",
    ("", "podtemplates"): "small:PodTemplates",
    ("", "replicationcontrollers"): "replicasets:ReplicationControllers",
    ("apps", "controllerrevisions"): "small:ControllerRevisions",
    ("apps", "daemonsets"): "daemonsets:DaemonSets",
    ("apps", "deployments"): "deployments:Deployments",
    ("apps", "replicasets"): "replicasets:ReplicaSets",
    ("apps", "statefulsets"): "statefulsets:StatefulSets",
    ("autoscaling", "horizontalpodautoscalers"): "hpa:HorizontalPodAutoscalers",
    ("batch", "cronjobs"): "cronjobs:CronJobs",
    ("batch", "jobs"): "jobs:Jobs",
    ("policy", "poddisruptionbudgets"): "pdb:PodDisruptionBudgets",
}
