"""The conformance suite's parts: cases read from files, their setup in a sandbox, and faulty clients.

A case is ``cases/<kind>/<case>.yaml``::

    setup:            # created first, in order, by their own drivers; later text may refer to them
      - {as: tg, kind: aws.elbv2.target_group, spec: {...}}
    spec: {...}       # the subject; ${box.vpc_id}, ${box.subnet_ids[0]} are the sandbox's facts, ${run} a unique text
    updates:          # one for each updatable attribute: field -> its new value
      health_check_grace_period: 200
    immutable: {name: other}     # optional: IMMUTABLE fields with another valid value
    waived:           # optional: a law that AWS itself makes impossible here, and why; another case must uphold it
      3: a subscription that is not confirmed cannot be deleted
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import yaml
from botocore.exceptions import ReadTimeoutError

from smplan.core import spec as specs
from smplan.core import values
from smplan.core.diff import as_managed
from smplan.core.spec import CLIENT_ONLY, IMMUTABLE, INITIAL, NAMED, WRITE_ONLY, Spec
from smplan.drivers import registry
from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Claim, Driver, Live, Owner
from smplan.drivers.context import Context
from smplan.drivers.retry import RetryPolicy
from smplan.errors import InUse, Unreachable
from smplan.sandbox.sandbox import Sandbox
from tests.support.rate_limits import unlimited

CASES = Path(__file__).parent / "cases"
POLL_SECONDS = 15.0
MAX_POLLS = 400


@dataclass(frozen=True)
class Case:
    """One case file."""

    kind: str
    name: str
    setup: tuple[Mapping[str, Any], ...]
    spec: Mapping[str, Any]
    updates: Mapping[str, Any]
    immutable: Mapping[str, Any]
    waived: Mapping[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"


def cases() -> list[Case]:
    """Every case, ordered by kind and name."""
    return [_case(path) for path in sorted(CASES.glob("*/*.yaml"))]


def _case(path: Path) -> Case:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = set(data) - {"setup", "spec", "updates", "immutable", "waived"}
    assert not unknown, f"{path}: unknown {sorted(unknown)}"
    return Case(
        path.parent.name,
        path.stem,
        tuple(data.get("setup") or ()),
        data["spec"],
        data.get("updates") or {},
        data.get("immutable") or {},
        data.get("waived") or {},
    )


def judged() -> dict[str, type[Driver[Any]]]:
    """The kinds tested here: gates do not exist in AWS, and red5 kinds are behind a fleet."""
    return {
        kind: found
        for kind, found in registry.drivers().items()
        if not (found.gate or found.via_stream_manager or found.virtual or kind.startswith("red5."))
    }


def context(aws: Aws) -> Context:
    """A context without a Stream Manager."""

    def none() -> Any:
        raise Unreachable("no Stream Manager here")

    return Context(aws, none)


@dataclass
class CaseSetup:
    """A case in a sandbox: its setup is created first, and everything created is deleted at the end."""

    box: Sandbox
    aws: Aws
    case: Case
    run: str = field(default_factory=lambda: uuid4().hex[:8])
    names: dict[str, Any] = field(default_factory=dict)
    made: list[tuple[Driver[Any], str]] = field(default_factory=list)

    def __enter__(self) -> CaseSetup:
        try:
            for each in self.case.setup:
                self.names[each["as"]] = self._prop(each["kind"], each["as"], each["spec"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for driver, made in reversed(self.made):
            self.remove(driver, made)

    def driver(self, aws: Aws | None = None, kind: str = "") -> Driver[Any]:
        """The subject's driver, perhaps with another client."""
        found = registry.driver(kind or self.case.kind)
        assert found is not None, f"no driver serves {kind or self.case.kind}"
        return found(context(aws or self.aws))

    def spec(self, changes: Mapping[str, Any] | None = None) -> Spec:
        """The subject's spec with references filled in, and with ``changes`` to its fields."""
        return self.driver().spec.model_validate(self.filled({**self.case.spec, **(changes or {})}))

    def filled(self, tree: Any) -> Any:
        """``tree`` without references."""
        return values.resolve(_parsed(tree), self._known)

    def create(self, driver: Driver[Any], spec: Any, claim: Claim | None = None) -> str:
        """Create a subject that is ready for use, to be deleted at the end."""
        made = driver.create(spec, claim or self.claim())
        self.made.append((driver, made))
        driver.configure(made, spec)
        self.wait(driver.wait_ready(made, spec))
        return made

    def claim(self, address: str = 'subject["a/ü"]') -> Claim:
        """A claim of this run."""
        return Claim(Owner(f"lineage-{self.run}", address), uuid4().hex)

    def read(self, id: str) -> Live[Any]:
        """The subject as it is now."""
        return self.driver().read_many([id])[id]

    def remove(self, driver: Driver[Any], id: str) -> None:
        """Drain, delete and wait until it is gone, as the engine would; already gone is success."""
        live = driver.read_many([id]).get(id)
        if live is not None:
            driver.delete_timeout(live)
            self.wait(driver.drain(live))
        for look in itertools.count():
            try:
                driver.delete(id)
                break
            except InUse:
                if look >= MAX_POLLS:
                    raise
                self.pass_time()
        self.wait(driver.wait_deleted(id))

    def wait(self, looks: Iterator[Any]) -> None:
        """Poll to the end, with sandbox time passing in between."""
        for count, progress in enumerate(looks):
            assert count < MAX_POLLS, f"still waiting: {progress}"
            self.pass_time()

    def pass_time(self) -> None:
        """Advance the sandbox's clock."""
        self.box.clock.advance(POLL_SECONDS)
        self.box.tick()

    def _prop(self, kind: str, name: str, written: Mapping[str, Any]) -> SimpleNamespace:
        driver = self.driver(kind=kind)
        spec = driver.spec.model_validate(self.filled(written))
        made = self.create(driver, spec, self.claim(name))
        live = driver.read_many([made])[made]
        return SimpleNamespace(attributes={**spec.managed_fields(), **live.outputs, "id": made})

    def _known(self, ref: values.Ref) -> Any:
        if ref.root == "run":
            return self.run
        if ref.root == "box":
            return values.get_path(asdict(self.box.facts), ref.path)
        return values.get_path(self.names[ref.root].attributes, ref.path)


def _parsed(tree: Any) -> Any:
    if isinstance(tree, str):
        return values.parse_text(tree)
    if isinstance(tree, Mapping):
        return {key: _parsed(value) for key, value in tree.items()}
    return [_parsed(item) for item in tree] if isinstance(tree, list) else tree


def readable(facts: specs.Field) -> bool:
    """Whether law 1 holds for a field."""
    return not any(facts.has(fact) for fact in (INITIAL, CLIENT_ONLY, WRITE_ONLY))


def updatable(facts: specs.Field) -> bool:
    """Whether law 2 holds for a field."""
    return not any(facts.has(fact) for fact in (IMMUTABLE, INITIAL, CLIENT_ONLY))


def differences(wanted: Spec, live: Spec) -> dict[str, tuple[Any, Any]]:
    """The readable fields managed by ``wanted`` in which ``live`` differs: field -> (wanted, live)."""
    found: dict[str, tuple[Any, Any]] = {}
    for name, facts in specs.fields(type(wanted)).items():
        if not readable(facts):
            continue
        ours, theirs = getattr(wanted, name), getattr(live, name)
        if ours is None:
            continue
        if isinstance(ours, Spec):
            inner = differences(ours, theirs) if isinstance(theirs, Spec) else {"": (ours, theirs)}
            found.update({f"{name}.{key}": pair for key, pair in inner.items()})
        else:
            there = as_managed(plain(theirs), plain(ours)) if facts.has(NAMED) else plain(theirs)
            if facts.canonical(plain(ours)) != facts.canonical(there):
                found[name] = (ours, theirs)
    return found


def plain(value: Any) -> Any:
    """``value`` with nested specs as maps of what they manage."""
    if isinstance(value, Spec):
        return value.managed_fields()
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def no_wait_retries() -> RetryPolicy:
    """A retry policy without pauses, whose clock advances a second per reading."""
    return RetryPolicy(pause=lambda _: None, clock=itertools.count().__next__)


class FaultyAws(Aws):
    """An AWS client with a fault: each boto3 client passes through ``spoil`` when it is made."""

    def __init__(
        self, region: str, spoil: Callable[[Any, bool], None], retry_policy: RetryPolicy | None = None
    ) -> None:
        super().__init__(region, retry_policy=retry_policy or no_wait_retries(), rate_limiter=unlimited())
        self._spoil = spoil

    def client(self, service: str, *, write: bool) -> Any:
        """A client with the fault; the second argument of ``spoil`` says whether it writes."""
        made: Any = super().client(service, write=write)
        self._spoil(made._target, write)
        return made


class _LosingSession:
    """An HTTP session that sends each request and loses the response."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def send(self, request: Any) -> Any:
        self.inner.send(request)
        raise ReadTimeoutError(endpoint_url=request.url)

    def close(self) -> None:
        self.inner.close()


def lost_responses(region: str) -> Aws:
    """A client whose writes are processed, but whose responses are lost."""

    def spoil(client: Any, writes: bool) -> None:
        if writes:
            client._endpoint.http_session = _LosingSession(client._endpoint.http_session)

    return FaultyAws(region, spoil)


def answering(region: str, code: str, status: int, *, writes_only: bool = False) -> Aws:
    """A client whose calls (or writes) all get this error; nothing is sent."""
    answer = {"Error": {"Code": code, "Message": "injected"}, "ResponseMetadata": {"HTTPStatusCode": status}}

    def refuse(**_: Any) -> tuple[Any, dict[str, Any]]:
        return SimpleNamespace(status_code=status), answer

    def spoil(client: Any, writes: bool) -> None:
        if writes or not writes_only:
            client.meta.events.register("before-call.*", refuse)

    return FaultyAws(region, spoil)


@dataclass
class Script:
    """An AWS with scripted responses: operation -> responses in order, of which the last is repeated.

    A response is AWS's, or an error code. Requests are recorded in ``sent``.
    """

    answers: Mapping[str, list[Any]]
    sent: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def aws(self, region: str = "us-east-1") -> Aws:
        """A client of it."""
        return FaultyAws(region, lambda client, _: client.meta.events.register("before-call.*", self._answer))

    def names(self) -> list[str]:
        """The operations that were sent, in order."""
        return [name for name, _ in self.sent]

    def _answer(self, model: Any, params: Mapping[str, Any], **_: Any) -> tuple[Any, Any]:
        count = sum(1 for name in self.names() if name == model.name)
        self.sent.append((model.name, params["body"]))
        answers = self.answers[model.name]
        answer = answers[min(count, len(answers) - 1)]
        if not isinstance(answer, str):
            return SimpleNamespace(status_code=200), {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}
        metadata = {"HTTPStatusCode": 400}
        error = {"Error": {"Code": answer, "Message": "scripted"}, "ResponseMetadata": metadata}
        return SimpleNamespace(status_code=400), error
