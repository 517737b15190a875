"""Routes each request to the policy that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mtopt_spec.action import Action
from mtopt_spec.interfaces import Policy, PolicyAnswer, PolicyRequest

ERROR_UNKNOWN_POLICY = 2


class PolicyMux:
    """Several policies as one; each gets its requests of a batch in one call."""

    def __init__(self, policies: Mapping[str, Policy]):
        self._policies = dict(policies)

    @property
    def names(self) -> tuple[str, ...]:
        """Names that a request may ask for."""
        return tuple(self._policies)

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request, in order; an unknown name gets an error code."""
        answers: list[PolicyAnswer | None] = [None] * len(requests)
        groups: dict[str, list[int]] = {}
        for i, request in enumerate(requests):
            groups.setdefault(request.policy, []).append(i)
        for name, indices in groups.items():
            if name in self._policies:
                chosen = self._policies[name].choose([requests[i] for i in indices])
            else:
                message = (
                    f"policy in ChooseAction of {requests[indices[0]].robot}: got {name!r}, "
                    f"expected one of {sorted(self._policies)}"
                )
                unknown = PolicyAnswer(Action(), error=ERROR_UNKNOWN_POLICY, error_msg=message)
                chosen = [unknown] * len(indices)
            for i, answer in zip(indices, chosen):
                answers[i] = answer
        return answers  # type: ignore[return-value]
