"""API servers beside this one: an APIService with `spec.service` hands a group version over to another server.

`table` knows which group versions lead elsewhere and is the way in, `proxy` carries requests there and answers back,
`keeper` asks those servers from time to time whether they are there and what they serve. Nothing of it is imported
before the first such APIService. Follows k8s.io/kube-aggregator.
"""
