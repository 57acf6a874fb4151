"""Classroom mode: a class joins from its telephones; the teacher's browser alone may do everything."""

from .people import Role, check_change, check_start, may_change, may_start, role, visitor_id
from .settings import Settings, settings

__all__ = [
    "Role",
    "Settings",
    "check_change",
    "check_start",
    "may_change",
    "may_start",
    "role",
    "settings",
    "visitor_id",
]
