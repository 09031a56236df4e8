package autospec

import (
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Script evaluates the inputs that WriteInputs left in the directory $1, with
// bash, mkdir and rpmspec of a buildroot; $2 is a directory that it may make and
// write to. ReadOutput reads what it prints. Its exit code is 0 whatever the
// specs are like.
//
// What a spec itself prints comes before the line that counts, and is the
// package's own. There is one process per spec, and no other.
const Script = `set -u
mkdir -p "$2" || exit 1
defines=(--define "_builddir $2")
while IFS= read -r macro; do defines+=(--define "$macro"); done <"$1/macros"
for ((input = 0; ; input++)); do
  cd "$1/$input" 2>"$2/errors" || break
  if out=$(/usr/bin/rpmspec -q --srpm "${defines[@]}" --define "_sourcedir $PWD" \
      --qf '\n%|epoch?{%{epoch}:}:{}|%{version}\t%{release}\n' -- *.spec 2>"$2/errors" </dev/null); then
    out=${out##*$'\n'}
    printf '\n%s\tversion\t%s\n' "$input" "${out:0:400}"
  else
    reason=
    while [ -z "$reason" ] && IFS= read -r line; do
      case $line in error:*) reason=${line:0:400} ;; esac
    done <"$2/errors"
    printf '\n%s\terror\t%s\n' "$input" "$reason"
  fi
done
`

// WriteInputs writes inputs for Script into an empty directory.
func WriteInputs(dir string, inputs []Input) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("autospec: write specs: %w", err)
	}
	defer root.Close()
	if err := root.WriteFile("macros", []byte(strings.Join(Macros, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("autospec: write specs: %w", err)
	}
	for i, input := range inputs {
		if err := writeInput(root, strconv.Itoa(i), input); err != nil {
			return fmt.Errorf("autospec: write specs: %w", err)
		}
	}
	return nil
}

// writeInput writes one spec and its files below dir. A file of the spec's name
// is the spec.
func writeInput(root *os.Root, dir string, input Input) error {
	if err := root.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, content := range input.Files {
		if name == input.Spec || !strings.Contains(name, "/") && strings.HasSuffix(name, ".spec") {
			continue
		}
		name = path.Join(dir, name)
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(name, content, 0o644); err != nil {
			return err
		}
	}
	return root.WriteFile(path.Join(dir, input.Spec), input.Text, 0o644)
}

// Forms of what a spec says; rpm checks them too.
var (
	epochVersionForm = regexp.MustCompile(`^(?:[0-9]{1,10}:)?[A-Za-z0-9._+~^]{1,200}$`)
	releaseForm      = regexp.MustCompile(`^[^\s%]{1,200}$`)
)

// ReadOutput reads what Script printed about n inputs. That one is missing is an
// error.
func ReadOutput(output string, n int) ([]Version, error) {
	versions := make([]Version, n)
	for line := range strings.Lines(output) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 4)
		if len(fields) < 3 {
			continue
		}
		i, err := strconv.Atoi(fields[0])
		if err != nil || i < 0 || i >= n {
			continue
		}
		versions[i] = readLine(fields[1:])
	}
	for i := range versions {
		if versions[i] == (Version{}) {
			return nil, errors.New("autospec: evaluate specs: the last ones are missing")
		}
	}
	return versions, nil
}

// readLine reads the fields after the number of an input.
func readLine(fields []string) Version {
	if fields[0] == "version" && len(fields) == 3 && epochVersionForm.MatchString(fields[1]) && releaseForm.MatchString(fields[2]) {
		return Version{EpochVersion: fields[1], Release: fields[2]}
	}
	reason := strings.TrimPrefix(fields[1], "error: ")
	switch {
	case fields[0] == "version":
		reason = "its version and release are no words"
	case reason == "":
		reason = "rpm does not say why"
	}
	return Version{Error: reason}
}
