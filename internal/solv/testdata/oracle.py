"""Asks dnf what solv is asked. argv: repository, private directory.

stdin is one JSON object per line: {"install": [spec], "weak": bool} or
{"provides": dependency}; stdout answers with a sorted list of NEVRAs, or null
where dnf finds no solution.
"""
import json
import os
import sys

import dnf

repository, home = sys.argv[1:]


def base():
    b = dnf.Base()
    c = b.conf
    c.config_file_path = ""
    c.reposdir = []
    c.varsdir = []
    c.plugins = False
    c.cachedir = os.path.join(home, "cache")
    c.persistdir = os.path.join(home, "persist")
    c.logdir = home
    c.installroot = os.path.join(home, "root")
    c.module_platform_id = ""
    c.best = False
    c.obsoletes = False  # or it installs what obsoletes the packages asked for
    c.substitutions["arch"] = "x86_64"
    c.substitutions["basearch"] = "x86_64"
    c.substitutions["releasever"] = "1"
    b.repos.add_new_repo("r", c, baseurl=["file://" + repository])
    b.fill_sack(load_system_repo=False)
    return b


def nevra(p):
    epoch = "" if p.e == 0 else "%d:" % p.e
    return "%s-%s%s-%s.%s" % (p.name, epoch, p.v, p.r, p.arch)


b = base()
for line in sys.stdin:
    ask = json.loads(line)
    if "provides" in ask:
        found = b.sack.query().filter(provides=ask["provides"])
        print(json.dumps(sorted(nevra(p) for p in found)), flush=True)
        continue
    b.reset(goal=True)
    b.conf.install_weak_deps = ask["weak"]
    try:
        for spec in ask["install"]:
            b.install(spec)
        b.resolve()
        answer = sorted(nevra(p) for p in b.transaction.install_set)
    except dnf.exceptions.Error:
        answer = None
    print(json.dumps(answer), flush=True)
