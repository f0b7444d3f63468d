"""Telemetry suite: do an app's spans and metrics report what the provider sent?

The app runs between the fake provider, which sends its chunks one by one, and a reader; it exports to a receiver of the
suite's own. Times are not compared with a tolerance but with bounds: what the app measured must lie between what
happened before and what happened after.
"""
