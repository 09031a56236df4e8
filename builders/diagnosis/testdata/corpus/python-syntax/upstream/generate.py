import sys

def main(:
    print("x")
