"""Rights of a visitor: roles, folders that may be read, the address of the app, and its pages."""

from ...server_settings import settings
from .roles import Role, check_change, check_start, may_change, may_start, role, visitor_id
