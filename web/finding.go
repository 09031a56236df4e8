package web

import (
	"encoding/json"
	"fmt"
	"net/url"
)

// finding is why a task failed, as it is kept with the task: see package
// builders/diagnosis, whose words these are. All texts may be a hostile build's.
type finding struct {
	Phase      string   `json:"phase"`
	Kind       string   `json:"kind"`
	Reason     string   `json:"reason"`
	LogFile    string   `json:"log_file"`
	Line       int      `json:"line"`
	Excerpt    []string `json:"excerpt"`
	Object     string   `json:"object"`
	SpecLine   int      `json:"spec_line"`
	Unpackaged []string `json:"unpackaged"`
	Missing    []struct {
		Text     string   `json:"text"`
		NeededBy string   `json:"needed_by"`
		Nearest  []string `json:"nearest"`
	} `json:"missing"`
	NotSearched []string `json:"not_searched"`

	task    int64
	attempt int32
}

// findingOf reads what is kept of an attempt's failure; nil when nothing is, or
// nothing that this program knows.
func findingOf(text []byte, task int64, attempt int32) *finding {
	f := finding{task: task, attempt: attempt}
	if len(text) == 0 || json.Unmarshal(text, &f) != nil {
		return nil
	}
	return &f
}

// URL is the page of the log at the line; empty when no log says it.
func (f *finding) URL() string {
	if f.LogFile == "" || f.Line <= 0 {
		return ""
	}
	return fmt.Sprintf("/tasks/%d/logs/%s?attempt=%d&line=%d#line", f.task, url.PathEscape(f.LogFile), f.attempt, f.Line)
}
