"""Field validation, and how bodies are read."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import PROTOBUF, YAML, Api, config_map, deployment, made, ok, refused, spec_schema
from tests.conformance.behaviours import Area, row

area = Area("fields", "Field validation and bodies")

DOC = "https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation"
CREATE = "apiserver/pkg/endpoints/handlers/create.go"
DECODER = "apimachinery/pkg/runtime/serializer/json/json.go Decode"
ERRORS = "apiserver/pkg/endpoints/handlers/rest.go transformDecodeError"

UNKNOWN = config_map(colour="red")
DUPLICATE = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"1","k":"2"}}'
DUPLICATE_YAML = b"kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\ndata:\n  k: '1'\n  k: '2'\n"


@area.table(
    DOC,
    row(
        "unknown-default",
        "Without fieldValidation an unknown field is dropped with a warning.",
        "",
        ['unknown field "colour"'],
    ),
    row(
        "unknown-warn",
        "Warn: an unknown field is dropped with a warning.",
        "?fieldValidation=Warn",
        ['unknown field "colour"'],
    ),
    row("unknown-ignore", "Ignore: an unknown field is dropped in silence.", "?fieldValidation=Ignore", []),
)
def test_unknown(api: Api, query: str, warnings: Any) -> None:
    answer = api.post(f"configmaps{query}", UNKNOWN)
    assert "colour" not in made(answer)
    assert answer.warnings == warnings


@area.table(
    DOC,
    row("unknown-strict", "Strict: an unknown field is 400.", UNKNOWN, 'strict decoding error: unknown field "colour"'),
    row("nested-strict", "Strict: an unknown field is named by its path.", config_map(metadata={"colour": "red"}), 'strict decoding error: unknown field "metadata.colour"'),
    row("several-strict", "Strict: all unknown fields are named.", config_map(a=1, b=2), 'strict decoding error: unknown field "a", unknown field "b"'),
    row("duplicate-strict", "Strict: a duplicate field is 400.", DUPLICATE, 'strict decoding error: duplicate field "data.k"'),
    row("case-strict", "Strict: names of fields are case-sensitive.", config_map(Data={"a": "b"}), 'strict decoding error: unknown field "Data"'),
)  # fmt: skip
def test_strict(api: Api, body: Any, text: str) -> None:
    refused(api.post("configmaps?fieldValidation=Strict", body), 400, "BadRequest", text)


@area("An unknown field in a list is named by its index.", DOC)
def test_unknown_in_list(api: Api) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["colour"] = "red"
    answer = api.post("apps/deployments", body)
    made(answer)
    assert answer.warnings == ['unknown field "spec.template.spec.containers[0].colour"']


@area.table(
    DOC,
    row(
        "duplicate-warn",
        "Warn: of a duplicate field the last one counts, with a warning.",
        "",
        ['duplicate field "data.k"'],
    ),
    row(
        "duplicate-ignore",
        "Ignore: of a duplicate field the last one counts, in silence.",
        "?fieldValidation=Ignore",
        [],
    ),
)
def test_duplicate(api: Api, query: str, warnings: Any) -> None:
    answer = api.post(f"configmaps{query}", DUPLICATE)
    assert made(answer)["data"] == {"k": "2"}
    assert answer.warnings == warnings


@area("A duplicate key in YAML is a warning that names the line.", DOC)
def test_duplicate_yaml(api: Api) -> None:
    answer = api.post("configmaps", DUPLICATE_YAML, content_type=YAML)
    made(answer)
    assert answer.warnings == ['line 6: key "k" already set in map']


@area("A duplicate key in strict YAML is 400.", DOC)
def test_duplicate_yaml_strict(api: Api) -> None:
    answer = api.post("configmaps?fieldValidation=Strict", DUPLICATE_YAML, content_type=YAML)
    refused(
        answer,
        400,
        "BadRequest",
        'strict decoding error: yaml: unmarshal errors:\n  line 6: key "k" already set in map',
    )


@area.table(
    DOC,
    row("validation-unknown", "An unknown fieldValidation is 422.", "post"),
    row("validation-unknown-put", "An unknown fieldValidation of an update is 422.", "put"),
)
def test_unknown_mode(api: Api, method: str) -> None:
    send = api.post if method == "post" else api.put
    path = "configmaps" if method == "post" else "configmaps/a"
    status = refused(
        send(f"{path}?fieldValidation=Sometimes", config_map()), 422, "Invalid", "fieldValidation: Unsupported value"
    )
    assert status["details"]["group"] == "meta.k8s.io"


@area.table(
    DOC,
    row("update-warns", "An update warns of unknown fields.", "?fieldValidation=Warn", 200),
    row("update-strict", "A strict update refuses unknown fields.", "?fieldValidation=Strict", 400),
)
def test_update(api: Api, query: str, code: int) -> None:
    api.config_map()
    answer = api.put(f"configmaps/a{query}", UNKNOWN)
    assert answer.status == code
    assert (answer.warnings == ['unknown field "colour"']) == (code == 200)


CUSTOM = spec_schema(x={"type": "integer"}, free={"type": "object", "x-kubernetes-preserve-unknown-fields": True})


@area.table(
    "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning",
    row(
        "custom-warn", "A custom object's unknown field is pruned with a warning.", "", 201, ['unknown field "spec.y"']
    ),
    row(
        "custom-ignore",
        "Ignore: a custom object's unknown field is pruned in silence.",
        "?fieldValidation=Ignore",
        201,
        [],
    ),
    row("custom-strict", "Strict: a custom object's unknown field is 400.", "?fieldValidation=Strict", 400, []),
)
def test_custom(api: Api, query: str, code: int, warnings: Any) -> None:
    answer = api.define(CUSTOM).create(spec={"x": 1, "y": 2}, query=query)
    assert answer.status == code
    assert answer.warnings == warnings


@area(
    "Fields below x-kubernetes-preserve-unknown-fields are kept without a warning.",
    "apiextensions-apiserver/pkg/apiserver/schema/pruning/algorithm.go",
)
def test_preserved(api: Api) -> None:
    answer = api.define(CUSTOM).create(spec={"free": {"y": {"z": 1}}})
    assert made(answer)["spec"] == {"free": {"y": {"z": 1}}}
    assert answer.warnings == []


@area(
    "An unknown field of a custom object's metadata is dropped with a warning.",
    "apiextensions-apiserver/pkg/apiserver/schema/objectmeta/coercion.go",
)
def test_custom_metadata(api: Api) -> None:
    answer = api.define(CUSTOM).create(metadata={"colour": "red"})
    assert "colour" not in made(answer)["metadata"]
    assert answer.warnings == ['unknown field "metadata.colour"']


@area.table(
    "apiextensions-apiserver/pkg/apiserver/schema/objectmeta/coercion.go GetObjectMeta",
    row("custom-labels-type", "A custom object's label that is no string is 400 and names the kind.", {"labels": {"a": 1}}, 'Widget in version "v1" cannot be handled as a Widget: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string'),
    row("custom-finalizers-type", "A custom object's finalizers that are no list are 400.", {"finalizers": "x"}, "json: cannot unmarshal string into Go struct field ObjectMeta.finalizers of type []string"),
)  # fmt: skip
def test_custom_metadata_type(api: Api, metadata: Any, text: str) -> None:
    refused(api.define(CUSTOM).create(metadata=metadata), 400, "BadRequest", text)


@area(
    "A custom object's metadata that is a list is 400.",
    "apiextensions-apiserver/pkg/apiserver/schema/objectmeta/coercion.go GetObjectMeta",
)
def test_custom_metadata_list(api: Api) -> None:
    kind = api.define(CUSTOM)
    body = {**kind.body(), "metadata": []}
    refused(
        api.post(kind.path(), body),
        400,
        "BadRequest",
        "json: cannot unmarshal array into Go value of type v1.ObjectMeta",
    )


@area.table(
    ERRORS,
    row("string-for-number", "A string where a number is due is 400 with Go's words.", {"replicas": "3"}, 'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32'),
    row("fraction-for-integer", "A fraction where an integer is due is 400.", {"replicas": 1.5}, "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
    row("number-for-bool", "A number where a boolean is due is 400.", {"paused": 1}, "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.paused of type bool"),
    row("overflow", "A number that does not fit is 400.", {"replicas": 3_000_000_000}, "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32"),
    row("list-for-object", "A list where an object is due is 400.", {"strategy": []}, "json: cannot unmarshal array into Go struct field DeploymentSpec.spec.strategy of type v1.DeploymentStrategy"),
)  # fmt: skip
def test_types(api: Api, spec: Any, text: str) -> None:
    refused(api.post("apps/deployments", deployment(**spec)), 400, "BadRequest", text)


@area.table(
    ERRORS,
    row("empty-object", "An empty object is of the endpoint's kind.", b"{}", 422, "Invalid", "name or generateName is required"),
    row("broken", "A body that ends too soon is 400.", b"{", 400, "BadRequest", "couldn't get version/kind; json parse error: unexpected end of JSON input"),
    row("other-kind", "A body of another kind is 400.", b'{"kind":"Secret","apiVersion":"v1"}', 400, "BadRequest", 'Secret in version "v1" cannot be handled as a ConfigMap'),
    row("other-version", "A body of another version is 400.", b'{"kind":"ConfigMap","apiVersion":"v2"}', 400, "BadRequest", 'no kind "ConfigMap" is registered for version "v2"'),
    row("unknown-kind", "A body of an unknown kind is 400.", b'{"kind":"Nothing","apiVersion":"v1"}', 400, "BadRequest", 'no kind "Nothing" is registered for version "v1"'),
    row("not-an-object", "A body that is a list is 400.", b"[]", 400, "BadRequest", "json: cannot unmarshal array into Go value of type"),
    row("trailing", "A second document in a body is 400.", b"{} {}", 400, "BadRequest", "invalid character '{' after top-level value"),
)  # fmt: skip
def test_bodies(api: Api, body: bytes, code: int, reason: str, text: str) -> None:
    refused(api.post("configmaps", body), code, reason, text)


@area("A body without kind and apiVersion is of the endpoint's kind.", DECODER)
def test_kind_from_url(api: Api) -> None:
    assert made(api.post("configmaps", {"metadata": {"name": "a"}}))["kind"] == "ConfigMap"


@area("A body of a custom kind must name its kind.", "apiextensions-apiserver/pkg/apiserver/customresource_handler.go")
def test_custom_needs_kind(api: Api) -> None:
    kind = api.define()
    refused(api.post(kind.path(), {"metadata": {"name": "a"}}), 400, "BadRequest", "Object 'Kind' is missing in")


@area(
    "A body of a custom kind with another kind is 400.",
    "apiextensions-apiserver/pkg/apiserver/validation/validation.go",
)
def test_custom_other_kind(api: Api) -> None:
    kind = api.define()
    refused(
        api.post(kind.path(), {**kind.body(), "kind": "Gadget"}),
        422,
        "Invalid",
        'kind: Invalid value: "Gadget": must be Widget',
    )


@area("A YAML body is taken.", DECODER)
def test_yaml(api: Api) -> None:
    assert made(api.post("configmaps", b"metadata: {name: a}\ndata: {k: v}\n", content_type=YAML))["data"] == {"k": "v"}


@area("An answer may be YAML.", "apiserver/pkg/endpoints/handlers/negotiation/negotiate.go")
def test_yaml_answer(api: Api) -> None:
    api.config_map(data={"k": "v"})
    answer = api.get("configmaps/a", accept=YAML)
    assert answer.media == YAML
    assert b"data:\n  k: v\n" in answer.body


@area(
    "Of several forms the first that can be served is taken.",
    "apiserver/pkg/endpoints/handlers/negotiation/negotiate.go",
)
def test_first_form(api: Api) -> None:
    api.config_map()
    assert (
        api.get("configmaps/a", accept="text/html, application/yaml;q=0.5, application/json;q=0.9").media
        == "application/json"
    )


@area(
    "A built-in object may be asked for as protobuf, whose head says so.",
    "apimachinery/pkg/runtime/serializer/protobuf/protobuf.go",
)
def test_protobuf_answer(api: Api) -> None:
    api.config_map()
    answer = api.get("configmaps/a", accept=PROTOBUF)
    assert answer.media == PROTOBUF
    assert answer.body[:4] == b"k8s\x00"


@area(
    "What is read as protobuf can be created as protobuf: kubectl sends it and does not fall back.",
    "apimachinery/pkg/runtime/serializer/protobuf/protobuf.go",
)
def test_protobuf_body(api: Api) -> None:
    api.config_map(data={"k": "v"})
    body = api.get("configmaps/a", accept=PROTOBUF).body
    answer = api.send("PUT", "configmaps/a", body, content_type=PROTOBUF)
    assert ok(answer)["data"] == {"k": "v"}


@area("A custom object cannot be had as protobuf.", "apiextensions-apiserver/pkg/apiserver/customresource_handler.go")
def test_no_protobuf(api: Api) -> None:
    kind = api.define()
    made(kind.create())
    assert api.get(kind.path("a"), accept=PROTOBUF).status == 406


@area.table(
    "apiserver/pkg/endpoints/handlers/negotiation/negotiate.go NegotiateInputSerializer",
    row("text-body", "A body of an unknown type is 415 with the types that there are.", "text/plain"),
    row("patch-type-body", "A patch's type is none for a create.", "application/merge-patch+json"),
    row("x-yaml-body", "`application/x-yaml` is not YAML here.", "application/x-yaml"),
)
def test_media(api: Api, media: str) -> None:
    listed = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf"
    refused(api.post("configmaps", config_map(), content_type=media), 415, "UnsupportedMediaType", listed)


@area(
    "A body of a custom kind in an unknown format is refused in the same words.",
    "apiextensions-apiserver/pkg/apiserver/customresource_handler.go",
)
def test_custom_media(api: Api) -> None:
    kind = api.define()
    answer = api.post(kind.path(), kind.body(), content_type="text/plain")
    refused(
        answer,
        415,
        "UnsupportedMediaType",
        "accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )


@area(
    "What a custom kind cannot be shown as is 406 in the words of its own handler.",
    "apiextensions-apiserver/pkg/apiserver/customresource_handler.go",
)
def test_custom_accept(api: Api) -> None:
    answer = api.get(api.define().path(), accept="text/html")
    refused(
        answer,
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )


@area("`pretty=true` indents.", "apiserver/pkg/endpoints/handlers/negotiation/negotiate.go isPrettyPrint")
def test_pretty(api: Api) -> None:
    api.config_map()
    assert api.get("configmaps/a?pretty=true").body.startswith(b'{\n  "kind": "ConfigMap"')


@area(
    "curl and browsers get indented JSON without asking.",
    "apiserver/pkg/endpoints/handlers/negotiation/negotiate.go isPrettyPrint",
)
def test_pretty_for_people(api: Api) -> None:
    api.config_map()
    assert api.get("configmaps/a", user_agent="curl/8.0").body.startswith(b"{\n  ")


@area.table(
    "apimachinery/pkg/api/resource/quantity.go CanonicalizeBytes",
    row("quantity-fraction", "0.5 is 500m.", "0.5", "500m"),
    row("quantity-milli", "1000m is 1.", "1000m", "1"),
    row("quantity-binary", "1024Mi is 1Gi.", "1024Mi", "1Gi"),
    row("quantity-decimal", "1000k is 1M.", "1000k", "1M"),
    row("quantity-exponent", "1e3 stays with its exponent.", "1e3", "1e3"),
    row("quantity-number", "A number is taken as well as a string.", 2, "2"),
)
def test_quantities(api: Api, given: Any, shown: str) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"example.com/x": "1", "memory": given}}
    found = made(api.post("apps/deployments", body))["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert found["memory"] == shown


@area("A quantity that is none is 400.", "apimachinery/pkg/api/resource/quantity.go ParseQuantity")
def test_bad_quantity(api: Api) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "much"}}
    refused(
        api.post("apps/deployments", body),
        400,
        "BadRequest",
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    )


@area("Times of Leases keep their six digits.", "apimachinery/pkg/apis/meta/v1/micro_time.go")
def test_micro_time(api: Api) -> None:
    body = {"metadata": {"name": "l"}, "spec": {"renewTime": "2026-01-02T03:04:05.500000Z"}}
    assert made(api.post("coordination/leases", body))["spec"]["renewTime"] == "2026-01-02T03:04:05.500000Z"


@area(
    "A time that is none is 400 with Go's words, letters beyond ASCII escaped.",
    "apimachinery/pkg/apis/meta/v1/time.go UnmarshalJSON",
)
def test_bad_time(api: Api) -> None:
    body = {"metadata": {"name": "l"}, "spec": {"renewTime": "é"}}
    refused(
        api.post("coordination/leases", body),
        400,
        "BadRequest",
        'parsing time "\\xc3\\xa9" as "2006-01-02T15:04:05.000000Z07:00"',
    )


@area(
    "A secret's stringData becomes data.", "kubernetes/pkg/apis/core/v1/conversion.go Convert_v1_Secret_To_core_Secret"
)
def test_string_data(api: Api) -> None:
    found = made(api.post("secrets", {"metadata": {"name": "s"}, "stringData": {"a": "b"}}))
    assert found["data"] == {"a": "Yg=="}
    assert "stringData" not in found


@area("A port may be a number or a name.", "apimachinery/pkg/util/intstr/intstr.go")
def test_int_or_string(api: Api) -> None:
    ports = [{"port": 80, "name": "a", "targetPort": "http"}, {"port": 81, "name": "b", "targetPort": 8081}]
    found = made(api.post("services", {"metadata": {"name": "s"}, "spec": {"ports": ports}}))["spec"]["ports"]
    assert [port["targetPort"] for port in found] == ["http", 8081]


@area("A null for a map is as if it were left out.", DECODER)
def test_null_map(api: Api) -> None:
    assert "data" not in made(api.post("configmaps", config_map(data=None)))


@area(
    "An update whose resourceVersion is not the present one is 409.",
    "apiserver/pkg/registry/generic/registry/store.go Update",
)
def test_stale_update(api: Api) -> None:
    old = api.config_map()
    ok(api.merge("configmaps/a", {"data": {"k": "1"}}))
    text = 'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again'
    refused(api.put("configmaps/a", old), 409, "Conflict", text)


@area(
    "Most built-in kinds may be updated without a resourceVersion.",
    "apiserver/pkg/registry/generic/registry/store.go Update",
)
def test_unconditional(api: Api) -> None:
    api.config_map()
    ok(api.put("configmaps/a", config_map(data={"k": "1"})))


@area(
    "A custom object's update needs a resourceVersion.",
    "apimachinery/pkg/api/validation/objectmeta.go ValidateObjectMetaAccessorUpdate",
)
def test_custom_conditional(api: Api) -> None:
    kind = api.define()
    made(kind.create())
    refused(
        api.put(kind.path("a"), kind.body()),
        422,
        "Invalid",
        "metadata.resourceVersion: Invalid value: 0: must be specified for an update",
    )


@area("An update of what is not there is 404.", "apiserver/pkg/registry/generic/registry/store.go Update")
def test_update_missing(api: Api) -> None:
    refused(api.put("configmaps/a", config_map()), 404, "NotFound")


@area.table(
    "apiserver/pkg/registry/rest/update.go AllowCreateOnUpdate",
    row("lease-put-creates", "An update of a Lease that is not there creates it.", "coordination/leases/x", {}),
    row("endpoints-put-creates", "An update of Endpoints that are not there creates them.", "endpoints/x", {}),
    row("limits-put-creates", "An update of a LimitRange that is not there creates it.", "limitranges/x", {}),
    row("role-put-creates", "An update of a Role that is not there creates it.", "rbac/roles/x", {}),
)
def test_put_creates(api: Api, path: str, body: Any) -> None:
    made(api.put(path, {"metadata": {"name": "x"}, **body}))


@area("An update whose uid is another's is 409.", "apiserver/pkg/storage/interfaces.go Preconditions")
def test_other_uid(api: Api) -> None:
    api.config_map()
    refused(
        api.put("configmaps/a", config_map(metadata={"uid": "x"})),
        409,
        "Conflict",
        "Precondition failed: UID in precondition: x",
    )


@area("The name in the body must be the one in the URL.", "apiserver/pkg/endpoints/handlers/update.go")
def test_name_mismatch(api: Api) -> None:
    api.config_map()
    refused(
        api.put("configmaps/a", config_map("b")),
        400,
        "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)",
    )


@area(
    "The namespace in the body must be the one in the URL.",
    "apiserver/pkg/registry/rest/meta.go EnsureObjectNamespaceMatchesRequestNamespace",
)
def test_namespace_mismatch(api: Api) -> None:
    answer = api.post("configmaps", config_map(metadata={"namespace": "other"}))
    refused(
        answer,
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    )
