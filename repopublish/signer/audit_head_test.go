package signer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestHeadOlderThanTheLog puts back a head that was true once, as one would who
// means to cut the log off later.
func TestHeadOlderThanTheLog(t *testing.T) {
	t.Parallel()
	for seq, want := range map[int64][]string{
		0: {auditHead + " is older than line 5"},
		1: {auditHead + " is older than line 5"},
		3: {auditHead + " is older than line 5"},
		// That of a signer that has written a line and not yet its head.
		4: {},
		5: {},
	} {
		t.Run(fmt.Sprintf("the head of line %d of 5", seq), func(t *testing.T) {
			t.Parallel()
			dir, receipts := newLog(t, 5)
			hash := noHash
			if seq > 0 {
				hash = receipts[seq-1].Hash
			}
			write(t, filepath.Join(dir, auditHead), fmt.Appendf(nil, headFormat, seq, hash))
			report, err := VerifyAudit(dir, receipts, nil)
			if err != nil || !slices.Equal(report.Problems, want) {
				t.Errorf("got %+v, %v, want the problems %q", report, err, want)
			}
			l, err := OpenAudit(dir)
			if (err != nil) != (len(want) > 0) {
				t.Errorf("a signer with the log: %v", err)
			}
			if err == nil {
				l.Close()
			}
		})
	}
}

// TestVerifyBesideTheSigner verifies a log while it grows.
func TestVerifyBesideTheSigner(t *testing.T) {
	t.Parallel()
	dir, _ := newLog(t, 1)
	l := openLog(t, dir)
	ended := make(chan error, 1)
	go func() {
		for range 400 {
			if _, err := l.Append(Line{Event: EventSignRPM}); err != nil {
				ended <- err
				return
			}
		}
		ended <- l.Close()
	}()
	for n := 1; ; n++ {
		report, err := VerifyAudit(dir, nil, nil)
		if err != nil || len(report.Problems) > 0 {
			t.Errorf("time %d: %+v, %v, and appending %v", n, report, err, <-ended)
			return
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			if n < 2 {
				t.Errorf("it was verified %d times while it grew", n)
			}
			return
		default:
		}
	}
}

// TestHeadIsGone keeps the rest of a report.
func TestHeadIsGone(t *testing.T) {
	t.Parallel()
	dir, receipts := newLog(t, 3)
	if err := os.Remove(filepath.Join(dir, auditHead)); err != nil {
		t.Fatal(err)
	}
	report, err := VerifyAudit(dir, receipts, nil)
	if err != nil || !slices.Equal(report.Problems, []string{auditHead + " is not there"}) || report.Lines != 3 {
		t.Errorf("got %+v, %v", report, err)
	}
}
