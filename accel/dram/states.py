"""What a channel's clocks are spent on."""

from __future__ import annotations

#: Moving data; opening and closing rows; refreshes; waiting for the last data; waiting for room in
#: an engine's window; nothing, for want of requests.
DATA, ROW, REFRESHING, LATENCY, QUEUE, IDLE = range(6)
STATES = 6
