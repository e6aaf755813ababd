"""Tokens to syntax: recursive descent over CEL's grammar, with the messages of its ANTLR parser."""

from __future__ import annotations

from wherry.machinery.cel.ast import Call, Const, Ident, ListNode, MapNode, Message, Node, Select
from wherry.machinery.cel.errors import CompileError, Issue
from wherry.machinery.cel.lexer import Token, tokenize, unquote, unquote_bytes
from wherry.machinery.cel.macros import Expander, MacroError
from wherry.machinery.cel.values import Uint

MAX_DEPTH = 250
MAX_SIZE = 100_000
_START = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)
RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "package",
        "namespace",
        "null",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)
_RELATIONS = {"<": "_<_", "<=": "_<=_", ">=": "_>=_", ">": "_>_", "==": "_==_", "!=": "_!=_", "in": "@in"}
_SUMS = {"+": "_+_", "-": "_-_"}
_PRODUCTS = {"*": "_*_", "/": "_/_", "%": "_%_"}
_PRIMARY_STARTS = frozenset(
    ["[", "{", "(", ".", "true", "false", "null", "NUM_FLOAT", "NUM_INT", "NUM_UINT", "STRING", "BYTES", "IDENTIFIER"]
)
_OPERATORS = frozenset(["?", "||", "&&", "+", "*", "/", "%", *_RELATIONS])
_MAX_MISSING = 30
_UNARY_STARTS = _PRIMARY_STARTS | {"-", "!"}


class _Stop(Exception):
    """The first error that cannot be repaired ends the parse."""


class _TooDeep(Exception):
    pass


def parse(source: str, macros: bool = True, optional_syntax: bool = True, quoted: bool = False) -> Node:
    """The syntax of `source`. Raises CompileError."""
    if len(source) > MAX_SIZE:
        text = f"expression code point size exceeds limit: size: {len(source)}, limit {MAX_SIZE}"
        raise CompileError(source, [Issue(-1, text)])
    tokens, issues = tokenize(source)
    parser = _Parser(source, tokens, issues, macros, optional_syntax)
    parser.quoted = quoted
    node: Node | None = None
    try:
        node = parser.expr()
        parser.end()
    except _Stop:
        pass
    except _TooDeep:
        raise CompileError(source, [Issue(-1, f"expression recursion limit exceeded: {MAX_DEPTH}")]) from None
    if parser.issues or node is None:
        raise CompileError(source, sorted(parser.issues, key=lambda i: i.at))
    return node


class _Parser:
    def __init__(self, source: str, tokens: list[Token], issues: list[Issue], macros: bool, optional: bool):
        self.source = source
        self.tokens = tokens
        self.i = 0
        self.issues = issues
        self.optional = optional
        self.quoted = False  # whether a.`b-c` is allowed
        self.expander = Expander() if macros else None
        self.depth = 0
        self.recovering = False  # an error was reported and nothing has been taken since
        self.missing = 0

    # --- tokens ------------------------------------------------------------------------------------------------------
    @property
    def kind(self) -> str:
        return self.tokens[self.i].kind

    def take(self) -> Token:
        token = self.tokens[self.i]
        self.i += 1
        self.recovering = False
        return token

    def fail(self, at: int, message: str) -> None:
        self.issues.append(Issue(at, message))

    def syntax(self, token: Token, message: str) -> _Stop:
        self.fail(token.at, f"Syntax error: {message}")
        return _Stop()

    def expect(self, kind: str) -> Token:
        """The next token if it is `kind`; one token too many is reported and skipped, as ANTLR does."""
        token = self.tokens[self.i]
        if token.kind == kind:
            return self.take()
        wanted = "<EOF>" if kind == "EOF" else kind if kind.isupper() else f"'{kind}'"
        following = self.tokens[self.i + 1].kind if self.i + 1 < len(self.tokens) else ""
        if token.kind != "EOF" and following == kind:
            self.fail(token.at, f"Syntax error: extraneous input '{token.text}' expecting {wanted}")
            self.i += 2
            return self.tokens[self.i - 1]
        raise self.syntax(token, f"mismatched input '{token.text}' expecting {wanted}")

    def end(self) -> None:
        self.expect("EOF")

    # --- operators ---------------------------------------------------------------------------------------------------
    def expr(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _TooDeep
        node = self.logical("||", "_||_")
        if self.kind == "?":
            at = self.take().at
            yes = self.logical("||", "_||_")
            self.expect(":")
            no = self.expr()
            node = Call("_?_:_", [node, yes, no], at)
        self.depth -= 1
        return node

    def logical(self, sign: str, name: str) -> Node:
        first = self.logical("&&", "_&&_") if sign == "||" else self.binary(0)
        if self.kind != sign:
            return first
        terms, places = [first], []
        while self.kind == sign:
            places.append(self.take().at)
            terms.append(self.logical("&&", "_&&_") if sign == "||" else self.binary(0))
        return _balance(name, terms, places, 0, len(places) - 1)

    def binary(self, level: int) -> Node:
        """Relations (0), sums (1), products (2); left to right."""
        signs = (_RELATIONS, _SUMS, _PRODUCTS)[level]
        node = self.unary() if level == 2 else self.binary(level + 1)
        count = 0
        while self.kind in signs:
            token = self.take()
            count += 1
            if count > MAX_DEPTH - 1:
                raise _TooDeep
            right = self.unary() if level == 2 else self.binary(level + 1)
            node = Call(signs[token.kind], [node, right], token.at)
        return node

    def unary(self) -> Node:
        kind = self.kind
        if kind == "!":
            first = self.take()
            count = 1
            while self.kind == "!":
                self.take()
                count += 1
            operand = self.member()
            return Call("!_", [operand], first.at) if count % 2 else operand
        if kind == "-":
            following = self.tokens[self.i + 1]
            if following.kind not in ("NUM_INT", "NUM_FLOAT"):
                first = self.take()
                count = 1
                while self.kind == "-":
                    self.take()
                    count += 1
                operand = self.member()
                return Call("-_", [operand], first.at) if count % 2 else operand
        return self.member()

    # --- members -----------------------------------------------------------------------------------------------------
    def member(self) -> Node:
        node = self.primary()
        count = 0
        while True:
            kind = self.kind
            if kind == ".":
                node = self.dotted(node)
            elif kind == "[":
                node = self.indexed(node)
            else:
                return node
            count += 1
            if count > MAX_DEPTH - 1:
                raise _TooDeep

    def dotted(self, operand: Node) -> Node:
        dot = self.take()
        token = self.tokens[self.i]
        if token.kind == "?":
            self.take()
            if not self.optional:
                self.fail(dot.at, "unsupported syntax '.?'")
            field = self.field_name(dot)
            return Call("_?._", [operand, Const(field, self.tokens[self.i - 1].at)], dot.at)
        if token.kind == "IDENTIFIER" and self.tokens[self.i + 1].kind == "(":
            self.take()
            opening = self.take()
            args = self.arguments()
            return self.call(token.text, args, opening.at, operand)
        return Select(operand, self.field_name(dot), dot.at)

    def field_name(self, dot: Token) -> str:
        token = self.tokens[self.i]
        if token.kind == "IDENTIFIER":
            self.take()
            return token.text
        if token.kind == "ESC":
            self.take()
            if not self.quoted:
                self.fail(token.at, "unsupported syntax: '`'")
            return token.text[1:-1]
        if token.kind in ("true", "false", "null", "in"):
            raise self.syntax(token, f"mismatched input '{token.text}' expecting IDENTIFIER")
        end = token.at if token.kind == "EOF" else token.at + len(token.text)
        raise self.syntax(token, f"no viable alternative at input '{self.source[dot.at : end].rstrip()}'")

    def indexed(self, operand: Node) -> Node:
        opening = self.take()
        name = "_[_]"
        if self.kind == "?":
            self.take()
            name = "_[?_]"
            if not self.optional:
                self.fail(opening.at, "unsupported syntax '[?'")
        index = self.expr()
        self.expect("]")
        return Call(name, [operand, index], opening.at)

    def arguments(self) -> list[Node]:
        args: list[Node] = []
        if self.kind == ")":
            self.take()
            return args
        if self.kind not in _UNARY_STARTS:
            token = self.tokens[self.i]
            wanted = "{'[', '{', '(', ')'" + _START[len("{'[', '{', '('") :]
            raise self.syntax(token, f"mismatched input '{token.text}' expecting {wanted}")
        args.append(self.expr())
        while self.kind == ",":
            self.take()
            args.append(self.expr())
        if self.kind != ")":
            token = self.tokens[self.i]
            if token.kind == "EOF" or self.tokens[self.i + 1].kind != ")":
                raise self.syntax(token, f"mismatched input '{token.text}' expecting ')'")
        self.expect(")")
        return args

    def call(self, name: str, args: list[Node], at: int, target: Node | None) -> Node:
        if self.expander is not None:
            try:
                expanded = self.expander.expand(name, target, args, at)
            except MacroError as error:
                self.fail(error.at, str(error))
                return Ident("<error>", at)
            if expanded is not None:
                return expanded
        return Call(name, args, at, target)

    # --- primaries ---------------------------------------------------------------------------------------------------
    def primary(self) -> Node:
        token = self.tokens[self.i]
        kind = token.kind
        if kind == "IDENTIFIER" or (kind == "." and self.tokens[self.i + 1].kind == "IDENTIFIER"):
            return self.named()
        if kind == "(":
            self.take()
            node = self.expr()
            self.expect(")")
            return node
        if kind == "[":
            return self.list_literal()
        if kind == "{":
            return self.map_literal()
        return self.literal(token)

    def named(self) -> Node:
        prefix = ""
        start = self.tokens[self.i].at
        if self.kind == ".":
            self.take()
            prefix = "."
        token = self.take()
        name = token.text
        if self.kind == "(":
            opening = self.take()
            args = self.arguments()
            if name in RESERVED:
                self.fail(start, f"reserved identifier: {name}")
                return Const("<error>", start)
            return self.call(prefix + name, args, opening.at, None)
        opening_at = self.message_ahead()
        if opening_at:
            parts = [name]
            while self.i < opening_at:
                self.take()
                parts.append(self.take().text)
            return self.message(prefix + ".".join(parts))
        if name in RESERVED:
            self.fail(start, f"reserved identifier: {name}")
            return Const("<error>", start)
        return Ident(prefix + name, token.at)

    def message_ahead(self) -> int:
        """The index of the { of `a.b.C{`, 0 where none follows."""
        i = self.i
        while self.tokens[i].kind == "." and self.tokens[i + 1].kind == "IDENTIFIER":
            i += 2
        return i if self.tokens[i].kind == "{" else 0

    def message(self, name: str) -> Node:
        opening = self.take()
        fields: list[tuple[str, Node, bool, int]] = []
        while self.kind not in ("}", "EOF"):
            optional = self.kind == "?"
            if optional:
                self.take()
            key = self.tokens[self.i]
            if key.kind not in ("IDENTIFIER", "ESC"):
                raise self.syntax(
                    key, f"mismatched input '{key.text}' expecting {{'}}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}}"
                )
            self.take()
            colon = self.expect(":")
            fields.append((key.text.strip("`"), self.expr(), optional, colon.at))
            if self.kind != ",":
                break
            self.take()
        self.expect("}")
        return Message(name, fields, opening.at)

    def list_literal(self) -> Node:
        opening = self.take()
        items: list[Node] = []
        optional: set[int] = set()
        while self.kind != "]":
            if self.kind == "," and not items:
                self.take()
                break
            if self.kind == "?":
                self.take()
                optional.add(len(items))
            elif self.kind not in _UNARY_STARTS:
                token = self.tokens[self.i]
                wanted = "{'[', ']', '{', '('" + _START[len("{'[', '{', '('") :].replace(
                    "'.', '-', '!',", "'.', '-', '!', '?',"
                )
                if not items:
                    wanted = wanted.replace("'.',", "'.', ',',")
                raise self.syntax(token, f"mismatched input '{token.text}' expecting {wanted}")
            items.append(self.expr())
            if self.kind != ",":
                break
            self.take()
        self.expect("]")
        return ListNode(items, opening.at, frozenset(optional))

    def map_literal(self) -> Node:
        opening = self.take()
        entries: list[tuple[Node, Node, bool]] = []
        while self.kind != "}":
            if self.kind == "," and not entries:
                self.take()
                break
            optional = self.kind == "?"
            if optional:
                self.take()
            elif self.kind not in _UNARY_STARTS:
                token = self.tokens[self.i]
                wanted = "{'[', '{', '}', '('" + _START[len("{'[', '{', '('") :].replace(
                    "'.', '-', '!',", "'.', '-', '!', '?',"
                )
                if not entries:
                    wanted = wanted.replace("'.',", "'.', ',',")
                raise self.syntax(token, f"mismatched input '{token.text}' expecting {wanted}")
            key = self.expr()
            self.expect(":")
            entries.append((key, self.expr(), optional))
            if self.kind != ",":
                break
            self.take()
        self.expect("}")
        return MapNode(entries, opening.at)

    def literal(self, token: Token) -> Node:
        kind = token.kind
        if kind == "-" and self.tokens[self.i + 1].kind in ("NUM_INT", "NUM_FLOAT"):
            self.take()
            return self.number(self.take(), token.at, "-")
        if kind in ("NUM_INT", "NUM_UINT", "NUM_FLOAT"):
            return self.number(self.take(), token.at, "")
        if kind in ("true", "false", "null"):
            self.take()
            return Const({"true": True, "false": False, "null": None}[kind], token.at)
        if kind in ("STRING", "BYTES"):
            self.take()
            try:
                value = unquote(token.text) if kind == "STRING" else unquote_bytes(token.text[1:])
            except ValueError as error:
                self.fail(token.at, str(error))
                value = ""
            return Const(value, token.at)
        return self.bad_operand(token)

    def bad_operand(self, token: Token) -> Node:
        """One token too many is skipped; else parsing goes on behind the missing operand, once something fits again."""
        if token.kind != "EOF" and self.tokens[self.i + 1].kind in _UNARY_STARTS and not self.recovering:
            self.fail(token.at, f"Syntax error: extraneous input '{token.text}' expecting {_START}")
            self.take()
            return self.member()
        if not self.recovering:
            self.fail(token.at, f"Syntax error: mismatched input '{token.text}' expecting {_START}")
        if token.kind == "EOF" or token.kind not in _OPERATORS or self.missing >= _MAX_MISSING:
            raise _Stop
        self.recovering = True
        self.missing += 1
        return Const(None, token.at)

    def number(self, token: Token, at: int, sign: str) -> Node:
        text = token.text
        if token.kind == "NUM_FLOAT":
            value = float(sign + text)
            if value in (float("inf"), float("-inf")):
                self.fail(at, "invalid double literal")
            return Const(value, at)
        unsigned = token.kind == "NUM_UINT"
        digits = text[:-1] if unsigned else text
        base = 16 if digits.startswith("0x") else 10
        digits = digits.removeprefix("0x")
        number = -1 if len(digits.lstrip("0")) > 20 else int(digits, base)
        if unsigned:
            if not 0 <= number < 1 << 64:
                self.fail(at, "invalid uint literal")
                number = 0
            return Const(Uint(number), at)
        limit = (1 << 63) if sign else (1 << 63) - 1
        if not 0 <= number <= limit:
            self.fail(at, "invalid int literal")
            number = 0
        return Const(-number if sign else number, at)


def _balance(name: str, terms: list[Node], places: list[int], low: int, high: int) -> Node:
    """A tree of low depth for a long chain of && or ||."""
    middle = (low + high + 1) // 2
    left = terms[middle] if middle == low else _balance(name, terms, places, low, middle - 1)
    right = terms[middle + 1] if middle == high else _balance(name, terms, places, middle + 1, high)
    return Call(name, [left, right], places[middle])
