package mock

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildroot"
)

// loggingFile is mock's log_config_file: logs hold what commands print and
// nothing around it, and only state.log has the time.
const (
	loggingFile = "logging.ini"
	logging     = `[formatters]
keys: plain,state
[handlers]
keys: console
[loggers]
keys: root,build,state,mockbuild
[formatter_plain]
format: %(message)s
[formatter_state]
format: %(asctime)s - %(message)s
[handler_console]
class: StreamHandler
args: []
formatter: plain
level: INFO
[logger_root]
level: NOTSET
handlers: console
[logger_mockbuild]
level: NOTSET
handlers:
qualname: mockbuild
propagate: 1
[logger_state]
level: NOTSET
handlers:
qualname: mockbuild.Root.state
propagate: 0
[logger_build]
level: NOTSET
handlers:
qualname: mockbuild.Root.build
propagate: 0
`
)

// configVersion changes when buildroots are made in another way.
const configVersion = 1

// rootConfig is the configuration of a buildroot and its name.
type rootConfig struct {
	root string // config_opts['root'], the name of mock's root cache too
	text string
}

// notInName are characters that names of directories are better without.
var notInName = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// newRootConfig writes what a recipe means to mock. repos are those of the
// recipe, with the URLs that mock reads them by.
func (d *Driver) newRootConfig(recipe builders.Recipe, repoKey string) rootConfig {
	var text strings.Builder
	set := func(name, value string) { fmt.Fprintf(&text, "config_opts%s = %s\n", name, value) }
	quote := strconv.QuoteToASCII // a string literal of Python as well
	set("['basedir']", quote(d.rootsDir()))
	set("['cache_topdir']", quote(d.cacheDir()))
	set("['target_arch']", quote(recipe.Arch))
	set("['legal_host_arches']", "("+quote(recipe.Arch)+",)")
	set("['chroot_setup_cmd']", quote("install "+strings.Join(recipe.Install, " ")))
	set("['package_manager']", quote(d.manager))
	set("['releasever']", "'1'")
	set("['dist']", "''")
	set("['use_bootstrap']", "False")
	set("['isolation']", "'simple'")
	set("['rpmbuild_networking']", "False")
	set("['use_host_resolv']", "False")
	// Else mock sets %_buildhost after the tag's macros, to this host's name.
	set("['use_container_host_hostname']", "False")
	set("['log_config_file']", quote(loggingFile))
	set("['build_log_fmt_name']", "'plain'")
	set("['root_log_fmt_name']", "'plain'")
	set("['state_log_fmt_name']", "'state'")
	// The cache's name changes with the content of the repositories: there is
	// nothing to update, and age does not matter.
	set("['update_before_build']", "False")
	set("['plugin_conf']['root_cache_opts']['max_age_days']", "36500")
	set("['plugin_conf']['yum_cache_enable']", "False")
	set("['plugin_conf']['ccache_enable']", "False")
	set("['plugin_conf']['hw_info_enable']", "False")
	set("['plugin_conf']['package_state_enable']", "True")
	// Reading is what costs time in each build.
	set("['plugin_conf']['root_cache_opts']['compress_program']", "''")
	// mock would name this host, after all that macrofile sets.
	set("['macros']['%_buildhost']", "'distbot.invalid'")
	set("['environment']['LANG']", "'C.UTF-8'")
	set("['environment']['TERM']", "'dumb'")

	sum := sha256.New()
	fmt.Fprintf(sum, "%d %s\n%s", configVersion, repoKey, text.String())
	name := fmt.Sprintf("%.40s-%s-%s", notInName.ReplaceAllString(recipe.Tag, "_"), recipe.Arch, hex.EncodeToString(sum.Sum(nil))[:20])
	return rootConfig{root: name, text: "config_opts['root'] = " + quote(name) + "\n" + text.String()}
}

// jobConfig is the configuration of one order: that of its root, and what is
// known of this order only.
func (j *job) jobConfig(repos []builders.Repo) string {
	quote := strconv.QuoteToASCII
	return j.root.text + fmt.Sprintf("config_opts['dnf.conf'] = %s\nconfig_opts['macrofile'] = %s\nconfig_opts['environment']['SOURCE_DATE_EPOCH'] = %s\n",
		quote(dnfConfig(repos)), quote(j.path("macros")), quote(strconv.FormatInt(j.order.Epoch.Unix(), 10)))
}

// dnfConfig is what dnf reads inside mock.
func dnfConfig(repos []builders.Repo) string {
	return strings.Replace(buildroot.DNFConfig(repos), "[main]\n", "[main]\nassumeyes=1\nreposdir=/dev/null\nvarsdir=/dev/null\n", 1)
}

// markup is what mock's templates begin with.
var markup = regexp.MustCompile(`\{[{%#]`)

// checkMarkup refuses what mock would expand as a template of its
// configuration.
func checkMarkup(recipe builders.Recipe) error {
	texts := append([]string{}, recipe.Install...)
	for _, repo := range recipe.Repos {
		texts = append(texts, repo.Name, repo.URL)
	}
	for _, text := range texts {
		if markup.MatchString(text) {
			return &builders.Failure{Phase: builders.PhaseBuildroot, Reason: fmt.Sprintf("tag %s: %q holds the markup of a template", recipe.Tag, text)}
		}
	}
	return nil
}

// fixedTime is the time of all configuration files: mock throws a root cache
// away that is older than its configuration, and here the name says when it is
// out of date.
var fixedTime = time.Unix(0, 0)

// unfinished begins the names of files that writeFixed has not named yet.
const unfinished = ".new-"

// writeFixed writes a file that everyone may read and that never looks new.
func writeFixed(path string, text []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), unfinished)
	if err != nil {
		return fmt.Errorf("mock: write %s: %w", path, err)
	}
	_, err = tmp.Write(text)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close(), os.Chtimes(tmp.Name(), fixedTime, fixedTime), os.Rename(tmp.Name(), path)); err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("mock: write %s: %w", path, err)
	}
	return nil
}
