"""How workspaces offer their kinds to others: exports, bindings, and what providers see of their consumers.

Kinds, fields, conditions, reasons and addresses are those of kcp's `apis.kcp.io`. `index` knows all exports and
bindings, `controller` acts on them, `schemas` keeps what is bound, `bindings` and `exports` decide.
"""

from __future__ import annotations

GROUP = "apis.kcp.io"
STORED = "apis.kcp.io/v1alpha2"  # the version of exports and bindings in storage
FINALIZER = "apis.kcp.io/apibinding-finalizer"

EXPORTS = f"/root/{GROUP}/apiexports/"
BINDINGS = f"/root/{GROUP}/apibindings/"
SCHEMAS = f"/root/{GROUP}/apiresourceschemas/"
CONVERSIONS = f"/root/{GROUP}/apiconversions/"
SLICES = f"/root/{GROUP}/apiexportendpointslices/"

Ref = tuple[str, str]  # logical cluster, name
Kind = tuple[str, str]  # group, resource
