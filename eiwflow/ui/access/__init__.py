"""What a visitor may do and read: the mode of the server, roles, and the pages that are listed."""

from ...settings import Settings, settings
from .roles import Role, check_change, check_start, may_change, may_start, role, visitor_id

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
