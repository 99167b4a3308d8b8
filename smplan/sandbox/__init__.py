"""An AWS and Stream Managers on loopback, to practice on and to test against.

Belongs here: what AWS, Red5's Stream Manager and the network between them do, refusals and delays included, over the
same wire protocol. Does not belong here: anything of smplan's own planning, drivers or state. The sandbox imports
nothing else of smplan, so that a mistake there cannot hide here.
"""
