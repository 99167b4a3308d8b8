"""Simulated Stream Managers: their REST API, database, node groups and the time these take.

Belongs here: what Red5 documents of Stream Manager, and our model where nothing is documented, marked as such. Does
not belong here: AWS, which is seen only through ``interface.AwsView``.
"""
