"""Asks dnf which module streams it makes active.

argv: a private directory. Reads one JSON object a line, {"yaml": documents,
"enable": [streams]}; writes one a line: {"active": ["NAME:STREAM", ...]}, or
{"error": text} where dnf refuses.
"""

import json
import logging
import os
import shutil
import subprocess
import sys

import dnf
import dnf.module.module_base
import libdnf

home = sys.argv[1]
logging.getLogger().addHandler(logging.NullHandler())


def repository(text):
    directory = os.path.join(home, "repo")
    shutil.rmtree(directory, ignore_errors=True)
    os.mkdir(directory)
    with open(os.path.join(directory, "modules.yaml"), "w") as out:
        out.write(text)
    subprocess.run(["createrepo_c", "-q", "--no-database", directory], check=True)
    return directory


def answer(question):
    base = dnf.Base()
    conf = base.conf
    conf.reposdir = []
    conf.substitutions["releasever"] = "8"
    conf.module_platform_id = "platform:el8"
    conf.installroot = os.path.join(home, "root")
    conf.persistdir = os.path.join(home, "root/var/lib/dnf")
    conf.cachedir = os.path.join(home, "cache")
    conf.logdir = home
    for directory in (conf.installroot, conf.cachedir):
        shutil.rmtree(directory, ignore_errors=True)
    base.repos.add_new_repo("repo", conf, baseurl=["file://" + repository(question["yaml"])])
    try:
        base.fill_sack(load_system_repo=False)
        modules = dnf.module.module_base.ModuleBase(base)
        if question["enable"]:
            try:
                modules.enable(question["enable"])
            except dnf.exceptions.MarkingErrors as e:
                # As the command does: what is wrong with defaults is only told.
                errors = e.module_depsolv_errors
                if not errors or errors[1] != libdnf.module.ModulePackageContainer.ModuleErrorType_ERROR_IN_DEFAULTS:
                    raise
        container = base._moduleContainer
        active = set()
        for package in container.getModulePackages():
            if container.isModuleActive(package.getId()):
                active.add(package.getName() + ":" + package.getStream())
        return {"active": sorted(active)}
    except (dnf.exceptions.Error, RuntimeError) as e:
        return {"error": str(e)}
    finally:
        base.close()


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
