"""Fairness: whose requests are answered, whose wait, and whose are refused when there are too many
(k8s.io/apiserver/pkg/util/flowcontrol; kinds of flowcontrol.apiserver.k8s.io).

`rules` finds the FlowSchema of a request and with it its flow and its priority level, `levels` gives seats to flows
and lets the others wait, `fairness` puts both together and follows the objects. What a seat is worth in one process
with one event loop, and what is simpler than upstream, stands in docs/reference/fairness.md.
"""
