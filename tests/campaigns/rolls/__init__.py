"""Seeded roll-outs of a new image on the sandbox, in virtual time, with faults of AWS, of the network and of smplan."""
