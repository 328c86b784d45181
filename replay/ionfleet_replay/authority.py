"""Who may do what in a cloud: every call of a role is checked against the template's policies before it is handled."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ionfleet_replay.accesses import UnknownNeedError, listing, needs, reads_object
from ionfleet_replay.account import ADMINISTRATOR, Account
from ionfleet_replay.calls import Call, Handler, Response, refusal
from ionfleet_replay.iam import Access, AccessDeniedError, Policies
from ionfleet_replay.observations import AccessDecided

EVENTS = "events.amazonaws.com"
CLOUDWATCH = "cloudwatch.amazonaws.com"

KEY_USE = ("kms:Decrypt", "kms:GenerateDataKey")
"""What a service does with a resource's key on behalf of whoever sends something to the resource."""

SENDING = frozenset({"sns:Publish"})
"""The actions that use the key of the resource they are about."""

REFUSALS = {
    "s3": ("403 Forbidden", "AccessDenied"),
    "sns": ("403 Forbidden", "AuthorizationError"),
    "sqs": ("403 Forbidden", "AccessDenied"),
    "states": ("400 Bad Request", "AccessDeniedException"),
}
"""The status and the error code with which each service denies access."""


class Authority:
    """Decides on accesses, and tells `decided` of each. To the server it is a hook.

    A principal is a role's ARN, or the ARN of a rule or an alarm, for which EventBridge or CloudWatch acts. The
    administrator may do anything, and so may whoever comes with credentials that this cloud did not issue: that is its
    user, with a client of theirs.
    """

    def __init__(self, account: Account, decided: Callable[[AccessDecided], None]) -> None:
        self.policies = Policies()
        self._account = account
        self._decided = decided

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Refuse a call whose principal lacks a permission for it."""
        if call.access_key is None:
            return refusal(call, *REFUSALS["s3"], "Anonymous users may do nothing: sign the request.")
        principal = self._account.principal(call.access_key) or ADMINISTRATOR
        if principal == ADMINISTRATOR:
            return proceed(call)
        try:
            for need in needs(call, self._account):
                self.require(principal, need.action, need.resource, need.context)
            response = proceed(call)
            if reads_object(call) and response.status.startswith("404"):
                missing = listing(call.bucket)
                self.require(principal, missing.action, missing.resource)
        except UnknownNeedError as unknown:
            message = f"The local cloud does not know what permission {unknown} needs."
            return refusal(call, "501 Not Implemented", "NotImplemented", message)
        except AccessDeniedError as denied:
            return refusal(call, *REFUSALS[call.service], str(denied))
        return response

    def require(self, principal: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> None:
        """Return when a principal may do something; raises `AccessDeniedError`."""
        self._decide(self._access(principal, action, resource, context or {}))
        key = self.policies.keys.get(resource)
        if key is not None and action in SENDING:
            for use in KEY_USE:
                self._decide(self._access(principal, use, key, {}))

    def _decide(self, access: Access) -> None:
        reason = self.policies.denial(access)
        decision = (access.principal, access.action, access.resource, access.context)
        self._decided(AccessDecided(*decision, allowed=reason is None))
        if reason is not None:
            raise AccessDeniedError(access, reason)

    def _access(self, principal: str, action: str, resource: str, context: Mapping[str, str]) -> Access:
        # Clients of AWS speak TLS; the loopback interface stands for it.
        known = {"aws:securetransport": "true", **context}
        for kind, service in ((("events", "rule/"), EVENTS), (("cloudwatch", "alarm:"), CLOUDWATCH)):
            if principal.startswith(self._account.arn(*kind)):
                known |= {"aws:sourcearn": principal, "aws:sourceaccount": self._account.id}
                return Access(service, action, resource, known)
        return Access(principal, action, resource, known)
