"""How large an object may become."""

from __future__ import annotations

from .api import CONFIG_MAPS, MERGE, Api, run
from .test_conversion import V1, definition, established, thing, version

TOO_LARGE = "etcdserver: request is too large"


def test_a_custom_object_of_more_than_etcd_takes() -> None:
    async def test(api: Api) -> None:
        await established(api, definition([version("v1", "a", storage=True)]))
        fits = await api.call("POST", V1, thing("v1", "x", a="y" * 1_500_000))
        assert fits["kind"] == "Thing"
        refused = await api.call("POST", V1, thing("v1", "z", a="y" * 1_573_000))
        assert (refused["code"], refused["message"], refused.get("reason")) == (500, TOO_LARGE, None)
        grown = await api.call("PATCH", V1 + "/x", {"metadata": {"annotations": {"a": "b" * 200_000}}}, MERGE)
        assert grown["message"] == TOO_LARGE
        assert (await api.call("GET", V1 + "/x"))["metadata"]["resourceVersion"] == fits["metadata"]["resourceVersion"]
        assert (await api.call("GET", V1 + "/z"))["code"] == 404

    run(test)


def test_a_config_map_that_is_long_only_as_json_is_taken() -> None:
    async def test(api: Api) -> None:
        body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "\n" * 1_000_000}}
        assert (await api.call("POST", CONFIG_MAPS, body))["kind"] == "ConfigMap"
        body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "b"}, "data": {"k": "n" * 1_048_577}}
        refused = await api.call("POST", CONFIG_MAPS, body)
        assert refused["message"] == 'ConfigMap "b" is invalid: []: Too long: may not be more than 1048576 bytes'

    run(test)
