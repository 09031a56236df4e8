import yaml

__version__ = "1"
