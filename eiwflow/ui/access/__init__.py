"""Rights of a visitor: roles, folders that may be read, the address of the app, and its pages."""

from ...server_settings import settings
from .roles import NOBODY, TEACHER_ONLY, Role, check_change, may_change, role
