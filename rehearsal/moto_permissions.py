"""Permissions as AWS enforces them, in moto.

Once its authorization is switched on, moto allows some things that AWS refuses:
- it takes every Auto Scaling call for one on no group in particular;
- it passes over conditions, and so lets a role list more than the prefix it is limited to;
- it reads a dot in a policy's resource as any character;
- it says 404 for a missing object also to who may not know what is missing;
- it answers who has credentials of a role that is gone as if it had been asked for that role.

And it knows no root user, who may do everything: here that is who signs with ROOT_KEY.
"""

import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import IAMPolicyStatement, IAMRequestBase, PermissionResult
from moto.iam.models import IAMBackend
from moto.s3.exceptions import MissingKey
from moto.s3.responses import S3Response
from moto.sts.models import sts_backends

from rehearsal.cloud import ROOT_KEY

Condition = Mapping[str, Mapping[str, str | list[str]]]

# Condition keys, in lower case, with their values in the request that is being decided on. What is
# plain HTTP on this machine stands for TLS.
_VALUES: ContextVar[Mapping[str, str]] = ContextVar(
    "values", default=MappingProxyType({"aws:securetransport": "true"})
)


_WILDCARDS = {"*": ".*", "?": "."}
_SIGN = re.compile(r"\$\{([*?$])\}|.", re.DOTALL)


def matches(pattern: str, text: str) -> re.Match[str] | None:
    """Match a policy's pattern: `*` is any text, `?` any one character, `${*}` an asterisk.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """

    def expression(sign: re.Match[str]) -> str:
        return re.escape(sign[1]) if sign[1] else _WILDCARDS.get(sign[0], re.escape(sign[0]))

    return re.fullmatch(_SIGN.sub(expression, pattern), text, re.DOTALL)


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "Bool": lambda expected, actual: expected.lower() == actual.lower(),
    "StringEquals": lambda expected, actual: expected == actual,
    "StringLike": lambda expected, actual: matches(expected, actual) is not None,
}


def holds(condition: Condition, values: Mapping[str, str]) -> bool:
    """Whether a statement's condition holds; one on a key that the request lacks does not.

    `values` has its keys in lower case. Raises NotImplementedError for an unknown operator.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    for operator in condition:
        if operator not in _OPERATORS:
            raise NotImplementedError(f"condition operator {operator} of a policy")
    return all(
        key.lower() in values
        and any(_OPERATORS[operator](each, values[key.lower()]) for each in _listed(expected))
        for operator, keys in condition.items()
        for key, expected in keys.items()
    )


def _listed(expected: str | list[str]) -> list[str]:
    return [expected] if isinstance(expected, str) else expected


def _limit_calls_to_a_group() -> None:
    def determine_resource(self: AutoScalingResponse) -> str:
        name = self.querystring.get("AutoScalingGroupName", [None])[0]
        if name is None:
            return "*"
        if group := self.autoscaling_backend.autoscaling_groups.get(name):
            return group.arn
        owned = f"arn:{self.partition}:autoscaling:{self.region}:{self.current_account}"
        return f"{owned}:autoScalingGroup:*:autoScalingGroupName/{name}"

    patched: Any = AutoScalingResponse
    patched._determine_resource = determine_resource  # noqa: SLF001


def _evaluate_conditions() -> None:
    decide, check = IAMPolicyStatement.is_action_permitted, IAMRequestBase.check_action_permitted

    def is_action_permitted(
        self: IAMPolicyStatement,
        action: str,
        resource: str = "*",
        principal: str | None = None,
        incoming_condition_values: dict[str, str] | None = None,
    ) -> PermissionResult:
        told = {key.lower(): value for key, value in (incoming_condition_values or {}).items()}
        if not holds(self._statement.get("Condition", {}), {**_VALUES.get(), **told}):
            return PermissionResult.NEUTRAL
        return decide(self, action, resource, principal, incoming_condition_values)

    def check_action_permitted(self: IAMRequestBase, resource: str) -> None:
        values = dict(_VALUES.get())
        if self._action == "s3:ListBucket":
            query = parse_qs(urlsplit(self._path).query, keep_blank_values=True)
            values |= {"s3:prefix": query["prefix"][0]} if "prefix" in query else {}
        before = _VALUES.set(values)
        try:
            check(self, resource)
        finally:
            _VALUES.reset(before)

    def check_conditions(*_: object) -> bool:
        return True  # decided before

    patched: Any = IAMPolicyStatement
    patched.is_action_permitted = is_action_permitted
    patched._check_conditions = check_conditions  # noqa: SLF001
    patched._match = staticmethod(matches)  # noqa: SLF001
    IAMRequestBase.check_action_permitted = check_action_permitted  # type: ignore[method-assign]


def _hide_what_is_missing() -> None:
    get_key, head_object = S3Response._get_key, S3Response.head_object  # noqa: SLF001

    def require_listing(response: S3Response) -> None:
        response.data["Action"] = "ListBucket"
        response._authenticate_and_authorize_s3_action(bucket_name=response.bucket_name)  # noqa: SLF001

    def get_or_hide(self: S3Response, *arguments: Any, **options: Any) -> Any:
        try:
            return get_key(self, *arguments, **options)
        except MissingKey:
            require_listing(self)
            raise

    def head_or_hide(self: S3Response, *arguments: Any, **options: Any) -> Any:
        answer = head_object(self, *arguments, **options)
        if answer[0] == 404:
            require_listing(self)
        return answer

    S3Response._get_key = get_or_hide  # type: ignore[method-assign]  # noqa: SLF001
    S3Response.head_object = head_or_hide  # type: ignore[method-assign]


def _end_sessions_with_their_role() -> None:
    delete = IAMBackend.delete_role

    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_manage_delete.html
    def delete_role(self: IAMBackend, role_name: str) -> None:
        arn = self.get_role(role_name).arn
        delete(self, role_name)
        sts = sts_backends[self.account_id][self.partition]
        sts.assumed_roles = [one for one in sts.assumed_roles if one.role_arn != arn]

    IAMBackend.delete_role = delete_role  # type: ignore[method-assign]


def _let_root_do_everything() -> None:
    decide = ActionAuthenticatorMixin._authenticate_and_authorize_action  # noqa: SLF001

    def unless_root(self: Any, kind: type, resource: str = "*") -> None:
        if f"Credential={ROOT_KEY}/" not in self.headers.get("Authorization", ""):
            decide(self, kind, resource)

    patched: Any = ActionAuthenticatorMixin
    patched._authenticate_and_authorize_action = unless_root  # noqa: SLF001


def correct() -> None:
    """Make moto as strict as AWS, in this process."""
    _let_root_do_everything()
    _limit_calls_to_a_group()
    _evaluate_conditions()
    _hide_what_is_missing()
    _end_sessions_with_their_role()
