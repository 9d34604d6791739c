"""Types told apart by identity alone. To compare or hash a type runs its metaclass, which may be the caller's."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Mapping
from types import GetSetDescriptorType, MappingProxyType, MemberDescriptorType
from typing import Any

from kernels.serving.texts import clean

OWN_MODULE = "__main__"


class Exactly:
    """A set of types. Subclasses are not in it, as their methods may be the caller's."""

    def __init__(self, *kinds: type) -> None:
        self._kinds = {id(kind): kind for kind in kinds}

    def __contains__(self, kind: type) -> bool:
        return id(kind) in self._kinds

    def __or__(self, other: Exactly) -> Exactly:
        return Exactly(*self._kinds.values(), *other._kinds.values())


_ZONES = Exactly(type(None), datetime.timezone, zoneinfo.ZoneInfo)
_DATED = Exactly(datetime.datetime, datetime.time)


def is_known_zone(zone: object) -> bool:
    """Whether a time zone is Python's own: a date in any other asks the zone for everything."""
    return type(zone) in _ZONES


def has_own_zone(value: Any) -> bool:
    """Whether *value* is a date or time whose text would come from code of the caller."""
    return type(value) in _DATED and not is_known_zone(value.tzinfo)


def text(value: object) -> str:
    """*value*, text of any kind, as plain text; "" for anything else. str() would call the method of a subclass."""
    return clean(str.__str__(value)) if issubclass(type(value), str) else ""  # type: ignore[arg-type]  # text of some kind


def names_of(kind: type) -> Mapping[str, Any]:
    """What the body of the class *kind* has defined, whatever its metaclass says."""
    names: MappingProxyType[str, Any] = type.__dict__["__dict__"].__get__(kind)
    return names


def is_own(kind: type) -> bool:
    """Whether *kind* was defined by code of the kernel's caller and not imported, as far as its module tells. Types that
    are part of Python have none.
    """
    module = names_of(kind).get("__module__")
    return module == OWN_MODULE if type(module) is str else module is not None


def fields_of(value: object) -> dict[str, Any]:
    """The public attributes that *value* itself holds, without asking it for any."""
    found: dict[str, Any] = {}
    for kind in reversed(type.__dict__["__mro__"].__get__(type(value))):
        for name, descriptor in list(names_of(kind).items()):
            if type(descriptor) is MemberDescriptorType and type(name) is str:
                try:
                    found[name] = descriptor.__get__(value)
                except (AttributeError, TypeError):  # not set, or another class's
                    continue
        found |= _dictionary(kind, value)
    return {name: item for name, item in found.items() if not name.startswith("_")}


def _dictionary(kind: type, value: object) -> dict[str, Any]:
    descriptor = names_of(kind).get("__dict__")
    if type(descriptor) is not GetSetDescriptorType:
        return {}
    try:
        attributes = descriptor.__get__(value)
    except (AttributeError, TypeError):  # another class's
        return {}
    if type(attributes) is not dict:
        return {}
    return {name: item for name, item in list(attributes.items()) if type(name) is str}
