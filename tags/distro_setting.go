package tags

import (
	"bytes"
	"encoding/json"
	"strings"
)

// CheckSetting refuses an extra setting of a tag that distro.yaml could not say,
// with a *RefusedError. Without a value only the name of the setting is checked.
// Edit takes more, as Koji does: whoever checks before finds the tag in an export
// that can be applied.
func CheckSetting(tag, key string, value json.RawMessage) error {
	c := &checker{}
	c.settingName(0, tag, key)
	value = bytes.TrimSpace(value)
	if len(value) > 0 {
		c.setting(tag, key, Setting{Value: value})
		if nesting(value) > maxSettingDepth {
			c.add(0, "tag %s: the value of %s is nested more than %d levels deep", tag, key, maxSettingDepth)
		}
	}
	return c.refusal()
}

// CheckBranches refuses branches of a target that distro.yaml could not say, with
// a *RefusedError.
func CheckBranches(target string, branches []string) error {
	texts := make([]Text, len(branches))
	for i, branch := range branches {
		texts[i] = Text{Value: branch}
	}
	c := &checker{}
	c.branches(target, texts)
	return c.refusal()
}

// refusal makes an error of what was found, nil of nothing.
func (c *checker) refusal() error {
	if len(c.list) == 0 {
		return nil
	}
	found := make([]string, len(c.list))
	for i, p := range c.list {
		found[i] = p.text
	}
	return refuse(FaultGeneric, "%s", strings.Join(found, "; "))
}

// nesting is how deeply a JSON value is nested: a single value is 1, and a list
// one more than what is in it.
func nesting(value json.RawMessage) int {
	decoder := json.NewDecoder(bytes.NewReader(value))
	inside, deepest := 0, 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim(']'), json.Delim('}'):
			inside--
			continue
		}
		deepest = max(deepest, inside+1)
		switch token {
		case json.Delim('['), json.Delim('{'):
			inside++
		}
	}
}
