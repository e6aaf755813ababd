"""Wherry where controller-runtime's envtest expects etcd, kube-apiserver and kubectl."""
