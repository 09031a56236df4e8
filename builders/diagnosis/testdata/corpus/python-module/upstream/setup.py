from setuptools import setup
from demo import __version__

setup(name="demo", version=__version__, py_modules=["demo"])
