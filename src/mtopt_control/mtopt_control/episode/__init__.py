"""A robot's life: ask for a task, act, judge, record, report."""
