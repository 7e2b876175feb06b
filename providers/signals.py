"""What this package tells to those above it."""

from django.dispatch import Signal

providers_made = Signal()  # entries of the catalogue have rows now; within its transaction
quotas_changed = Signal()  # what is left of some account changed enough to matter to routing; within its transaction
