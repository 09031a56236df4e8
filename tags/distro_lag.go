package tags

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxRepoLag is the longest lag that a target can allow: who wants repositories
// that are older wants no repositories.
const MaxRepoLag = 7 * 24 * time.Hour

// ParseRepoLag reads how far the repository of a build may lag: 0, or whole
// seconds up to MaxRepoLag as 45s, 10m or 1h30m. The error says what is wrong in
// words that follow the name of the setting.
func ParseRepoLag(text string) (time.Duration, error) {
	lag, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration such as 45s, 10m or 1h30m", text)
	}
	return lag, checkRepoLag(lag)
}

func checkRepoLag(lag time.Duration) error {
	switch {
	case lag < 0 || lag > MaxRepoLag:
		return fmt.Errorf("%s is not between 0 and %s", RepoLagText(lag), RepoLagText(MaxRepoLag))
	case lag%time.Second != 0:
		return fmt.Errorf("%s are no whole seconds", lag)
	}
	return nil
}

// RepoLagText writes a lag as people do: 10m, not 10m0s.
func RepoLagText(lag time.Duration) string {
	if lag == 0 {
		return "0"
	}
	if lag%time.Second != 0 || lag < 0 {
		return lag.String()
	}
	var text strings.Builder
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := lag / unit.length; n > 0 {
			text.WriteString(strconv.FormatInt(int64(n), 10) + unit.name)
		}
		lag %= unit.length
	}
	return text.String()
}

// repoLag is the lag of a target of the file, which was checked.
func (t Target) repoLag() time.Duration {
	if t.RepoLag.Value == "" {
		return 0
	}
	lag, _ := ParseRepoLag(t.RepoLag.Value)
	return lag
}

// repoLag checks the lag of a target of the file.
func (c *checker) repoLag(name string, target Target) {
	if target.RepoLag.Value == "" {
		return
	}
	if _, err := ParseRepoLag(target.RepoLag.Value); err != nil {
		c.add(target.RepoLag.line, "target %s: repo_lag: %v", name, err)
	}
}

// checkLag refuses a lag that no target can have.
func (t TargetConfig) checkLag() error {
	if err := checkRepoLag(t.RepoLag); err != nil {
		return refuse(FaultGeneric, "repo_lag: %v", err)
	}
	return nil
}

// lagWords says which lag a target allows; nothing for none.
func lagWords(t TargetConfig) []string {
	if t.RepoLag == 0 {
		return nil
	}
	return []string{"repo_lag " + RepoLagText(t.RepoLag)}
}

// lagChange describes how it changes.
func lagChange(old, now TargetConfig) []string {
	return textChange("repo_lag", RepoLagText(old.RepoLag), RepoLagText(now.RepoLag))
}

// setLag writes the lag of a target that allows one.
func (m *mapping) setLag(t TargetConfig) {
	if t.RepoLag != 0 {
		m.set("repo_lag", text(RepoLagText(t.RepoLag)))
	}
}
