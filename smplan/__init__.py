"""smplan: plan and apply a self-scaling fleet of Red5 Pro Stream Managers on AWS."""

__version__ = "0.1.0"
