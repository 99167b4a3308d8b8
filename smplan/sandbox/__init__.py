"""An AWS and Stream Managers to practise on: same wire, same refusals, faster clock. Loopback only."""
