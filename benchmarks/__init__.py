"""What a hit and a miss cost, beside nginx on the same machine in the same run. See docs/performance.md."""
