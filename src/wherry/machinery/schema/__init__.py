"""Custom resources' schemas: compiled once per definition version, run on every write and read.

Public: `compile_schema` and the `Structural` that it makes. Follows k8s.io/apiextensions-apiserver/pkg/apiserver/schema
(structural schemas) and k8s.io/kube-openapi/pkg/validation (values).
"""

from wherry.machinery.schema.structural import Structural, compile_schema

__all__ = ["Structural", "compile_schema"]
