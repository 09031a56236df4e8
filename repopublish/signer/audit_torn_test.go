package signer

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWhatIsNoLineIsTold: half a line at the end is told, and one without a time
// is no time of the log.
func TestWhatIsNoLineIsTold(t *testing.T) {
	t.Parallel()
	dir, _ := newDir(t)
	l, err := OpenAudit(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if _, err := l.Append(Line{Event: EventStart}); err != nil {
		t.Fatal(err)
	}
	add := func(text string) *AuditReport {
		t.Helper()
		file, err := os.OpenFile(filepath.Join(dir, auditFile), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		report, err := VerifyAudit(dir, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if r := add(`{"seq":2`); r.Unfinished != 8 || len(r.Problems) > 0 || r.Head.Seq != 1 {
		t.Errorf("half a line: %+v", r)
	}
	if r := add("}\n"); r.Unfinished != 0 || len(r.Problems) == 0 || r.Until == nil || r.Until.IsZero() {
		t.Errorf("a line without a time: %+v", r)
	}
}
