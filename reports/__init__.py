"""What you see: statistics of traces, rooflines, tables, timelines and folders."""
