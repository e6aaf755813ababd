"""CustomResourceDefinition: the object that makes new kinds, and the kinds that it makes.

`strategy` is the definition's own strategy, `custom` the strategy of the kinds it makes, `conditions` what the naming
and establishing controllers decide. Follows k8s.io/apiextensions-apiserver. Nothing is imported here: see the modules.
"""
