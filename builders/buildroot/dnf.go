package buildroot

import (
	"fmt"
	"strings"

	"github.com/distbot/distbot/builders"
)

// DNFConfig is a configuration of dnf with these repositories and nothing of
// the host's.
func DNFConfig(repos []builders.Repo) string {
	var text strings.Builder
	text.WriteString("[main]\ngpgcheck=0\ninstall_weak_deps=0\nkeepcache=0\nmetadata_expire=never\nbest=1\ntsflags=nodocs\n" +
		"module_platform_id=platform:distbot\nprotected_packages=\nfastestmirror=0\nretries=3\n")
	for _, repo := range repos {
		// Names and URLs are checked when the distribution file is read; a
		// line break in one would begin another setting.
		name := OneWord(repo.Name)
		fmt.Fprintf(&text, "\n[%s]\nname=%s\nbaseurl=%s\nenabled=1\ncost=%d\nmodule_hotfixes=1\nskip_if_unavailable=0\n",
			name, name, strings.ReplaceAll(OneWord(repo.URL), "%", "%%"), repo.Cost)
	}
	return text.String()
}

// OneWord keeps text that goes into a line of configuration to that line.
func OneWord(text string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '[' || r == ']' {
			return '_'
		}
		return r
	}, text)
}
