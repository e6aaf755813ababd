"""Ten rules of the sort that clusters run, evaluated on plain dicts: Wherry with costs counted, beside other engines.

python -m bench.cel                    # Wherry, and those of cel-expr-python, cel-python, common-expression-language
                                       # that are installed beside it
python -m bench.cel --seconds 0.5 --json out.json

Every engine compiles a rule once and is given the same object for each evaluation, as an API server does for each
write: what an engine makes of the object before it runs counts. CPU time of this process.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Evaluate = Callable[[], Any]
Engine = Callable[[str, dict[str, Any]], Evaluate]

_POD = {
    "hostNetwork": False,
    "securityContext": {"runAsNonRoot": True},
    "containers": [
        {
            "name": f"c{number}",
            "image": "registry.example/app:1.2",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        for number in range(3)
    ],
}
_OBJECT = {
    "replicas": 3,
    "maxReplicas": 5,
    "name": "shop-front",
    "memory": "512Mi",
    "mode": "Auto",
    "ports": [{"name": f"p{number}", "port": 8000 + number} for number in range(6)],
    "labels": {"app": "shop", "tier": "front"},
    "pod": _POD,
}
VALUES = {"self": _OBJECT, "oldSelf": {**_OBJECT, "replicas": 2}}
RULES = {
    "two fields": "self.replicas <= self.maxReplicas",
    "immutable field": "self.name == oldSelf.name",
    "one of": "self.mode in ['Auto', 'Manual', 'Off']",
    "implication": "self.mode != 'Auto' || (has(self.maxReplicas) && self.replicas < self.maxReplicas)",
    "pattern": "self.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "unique keys": "self.ports.all(a, self.ports.exists_one(b, a.name == b.name))",
    "label present": "'app' in self.labels && self.labels['app'] != ''",
    "pod: no escalation": (
        "self.pod.containers.all(c, has(c.securityContext) && has(c.securityContext.allowPrivilegeEscalation)"
        " && c.securityContext.allowPrivilegeEscalation == false)"
    ),
    "pod: all capabilities dropped": (
        "self.pod.containers.all(c, has(c.securityContext.capabilities)"
        " && c.securityContext.capabilities.drop.exists(d, d == 'ALL'))"
    ),
    "quantities": "quantity(self.memory).isLessThan(quantity('1Gi'))",
}


def wherry() -> Engine:
    from wherry.machinery.cel import compile, kubernetes, types

    env = kubernetes().extend({"self": types.DYN, "oldSelf": types.DYN})

    def engine(rule: str, values: dict[str, Any]) -> Evaluate:
        program = compile(rule, env)
        return lambda: program.run_counted(values)[0]

    return engine


def cel_expr_python() -> Engine:
    from cel_expr_python import cel

    env = cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})

    def engine(rule: str, values: dict[str, Any]) -> Evaluate:
        program = env.compile(rule)
        return lambda: program.eval(data=values).plain_value()

    return engine


def cel_python() -> Engine:
    import celpy

    env = celpy.Environment()

    def engine(rule: str, values: dict[str, Any]) -> Evaluate:
        program = env.program(env.compile(rule))
        return lambda: bool(program.evaluate({name: celpy.json_to_cel(value) for name, value in values.items()}))

    return engine


def common_expression_language() -> Engine:
    import cel

    def engine(rule: str, values: dict[str, Any]) -> Evaluate:
        program = cel.compile(rule)
        return lambda: program.execute(values)

    return engine


ENGINES: dict[str, Callable[[], Engine]] = {
    "wherry": wherry,
    "cel-expr-python": cel_expr_python,
    "cel-python": cel_python,
    "common-expression-language": common_expression_language,
}


def rate(evaluate: Evaluate, seconds: float) -> float:
    """Evaluations in a second of CPU time."""
    rounds, spent = 16, 0.0
    while spent < seconds:
        rounds *= 2
        start = time.process_time()
        for _ in range(rounds):
            evaluate()
        spent = time.process_time() - start
    return rounds / spent


def measure(engine: Engine, rule: str, seconds: float) -> dict[str, Any]:
    start = time.process_time()
    try:
        evaluate = engine(rule, VALUES)
        compiled = time.process_time() - start
        if evaluate() is not True:
            return {"refused": "a wrong answer"}
    except Exception as error:  # the words of four engines' errors
        return {"refused": str(error).splitlines()[0][:80]}
    return {"compile_ms": compiled * 1e3, "rate": rate(evaluate, seconds)}


def many_rules(seconds: float) -> dict[str, float]:
    """A definition with 200 rules in 50 places: milliseconds to check and compile it, and to run it on a write."""
    from wherry.machinery.cel.rules_definition import check_definition
    from wherry.machinery.cel.rules_run import Rules
    from wherry.machinery.crd.cel_hooks import RuleScope

    rules = ("two fields", "immutable field", "implication", "pattern")
    kinds = {"replicas": "integer", "maxReplicas": "integer", "name": "string", "mode": "string"}
    part = {
        "type": "object",
        "properties": {
            name: {"type": kind, **({"maxLength": 63} if kind == "string" else {})} for name, kind in kinds.items()
        },
        "x-kubernetes-validations": [{"rule": RULES[name]} for name in rules],
    }
    schema = {"type": "object", "properties": {f"part{number}": part for number in range(50)}}
    start = time.process_time()
    assert check_definition(schema, "schema", RuleScope()) == []
    checked = Rules(schema)
    defined = time.process_time() - start
    old = {name: {key: _OBJECT[key] for key in kinds} for name in schema["properties"]}
    new = {**old, "part0": {**old["part0"], "replicas": 2}}
    return {"definition_ms": defined * 1e3, "write_ms": 1e3 / rate(lambda: checked(new, old) == [], seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.3, help="CPU seconds for each figure, at least")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    figures: dict[str, dict[str, Any]] = {}
    for name, load in ENGINES.items():
        try:
            engine = load()
        except ImportError:
            print(f"{name}: not installed")
            continue
        figures[name] = {title: measure(engine, rule, options.seconds) for title, rule in RULES.items()}
    for title, rule in RULES.items():
        print(f"\n{title}: {rule}")
        for name, rows in figures.items():
            row = rows[title]
            shown = row.get("refused") or f"{row['rate']:>11,.0f} a CPU second   compiled in {row['compile_ms']:.2f} ms"
            print(f"  {name:28}{shown}")
    figures["200 rules"] = many = many_rules(options.seconds)
    print(f"\n200 rules: defined in {many['definition_ms']:.0f} ms, {many['write_ms']:.2f} ms of a write")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
