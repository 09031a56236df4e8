package buildlog

import (
	"slices"
	"strings"

	"github.com/distbot/distbot/builders"
)

// InstalledFormat is the query format that ReadInstalled reads.
const InstalledFormat = `%{NEVRA} %{SHA256HEADER} %{SIGMD5}\n`

// ReadInstalled reads what rpm -qa prints in InstalledFormat, sorted by NEVRA.
// Keys that rpm shows as packages are left out.
func ReadInstalled(list string) []builders.Installed {
	var all []builders.Installed
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) != 3 || strings.HasPrefix(fields[0], "gpg-pubkey-") {
			continue
		}
		digest := fields[1]
		if digest == "(none)" { // packages of rpm before 4.14
			digest = fields[2]
		}
		all = append(all, builders.Installed{NEVRA: fields[0], Digest: digest})
	}
	slices.SortFunc(all, func(x, y builders.Installed) int { return strings.Compare(x.NEVRA, y.NEVRA) })
	return all
}
