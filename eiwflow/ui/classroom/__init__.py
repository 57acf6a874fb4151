"""Classroom mode: a class joins from its telephones, and votes."""
