import json

def load(p):
    return json.loads(p)["version"]

print("generating")
load("{}")
