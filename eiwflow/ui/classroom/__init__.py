"""Classroom mode: a class joins from its telephones, votes, and trains in a queue."""
