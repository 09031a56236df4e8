package signer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newLog writes a log of so many lines and closes it.
func newLog(t *testing.T, lines int) (dir string, receipts []Receipt) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l := openLog(t, dir)
	for i := range lines {
		receipt, err := l.Append(Line{Event: EventSignRPM, Key: "release", SHA256: digestOf([]byte{byte(i)})})
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, receipt)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, receipts
}

func openLog(t *testing.T, dir string) *AuditLog {
	t.Helper()
	l, err := OpenAudit(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.Now = func() time.Time { return recordedAt }
	return l
}

func readLines(t *testing.T, dir string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, auditFile))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

func writeLines(t *testing.T, dir string, lines [][]byte) {
	t.Helper()
	text := bytes.Join(lines, nil)
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	write(t, filepath.Join(dir, auditFile), text)
}

// chained corrects the hashes of lines, as one would who changes a log with
// care.
func chained(t *testing.T, lines [][]byte) [][]byte {
	t.Helper()
	prev := noHash
	for i, text := range lines {
		var line Line
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatal(err)
		}
		line.Seq, line.Prev = int64(i+1), prev
		text, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		prev = hashLine(text)
		lines[i] = append(text, '\n')
	}
	return lines
}

func TestChangedLog(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(t *testing.T, lines [][]byte) [][]byte
		want   string
	}{
		"a byte of a line was changed": {func(_ *testing.T, l [][]byte) [][]byte {
			l[2] = bytes.Replace(l[2], []byte("release"), []byte("relaese"), 1)
			return l
		}, "the line before line 4 was changed"},
		"a byte of the newest line was changed": {func(_ *testing.T, l [][]byte) [][]byte {
			l[4] = bytes.Replace(l[4], []byte("release"), []byte("relaese"), 1)
			return l
		}, "line 5, which was the newest, is not there, or was changed"},
		"a line was removed":         {func(_ *testing.T, l [][]byte) [][]byte { return slices.Delete(l, 2, 3) }, "line 3 has number 4, want 3"},
		"the first line was removed": {func(_ *testing.T, l [][]byte) [][]byte { return l[1:] }, "line 1 has number 2, want 1"},
		"the newest was removed":     {func(_ *testing.T, l [][]byte) [][]byte { return l[:4] }, "line 5, which was the newest, is not there"},
		"all were removed":           {func(*testing.T, [][]byte) [][]byte { return nil }, "line 5, which was the newest, is not there"},
		"two have changed places": {func(_ *testing.T, l [][]byte) [][]byte {
			l[1], l[2] = l[2], l[1]
			return l
		}, "line 2 has number 3, want 2"},
		"a line is there twice": {func(_ *testing.T, l [][]byte) [][]byte { return slices.Insert(l, 3, l[2]) }, "line 4 has number 3, want 4"},
		"a line is empty":       {func(_ *testing.T, l [][]byte) [][]byte { return slices.Insert(l, 3, []byte("\n")) }, "line 4 is no line of the log"},
		"a line is too long": {func(_ *testing.T, l [][]byte) [][]byte {
			return slices.Insert(l, 3, bytes.Repeat([]byte("x"), 2*maxLine))
		}, "line 4 is longer"},
		"a line was removed and the others corrected": {func(t *testing.T, l [][]byte) [][]byte {
			return chained(t, slices.Delete(l, 2, 3))
		}, "line 5, which was the newest, is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := newLog(t, 5)
			writeLines(t, dir, test.change(t, readLines(t, dir)))
			before, err := os.ReadFile(filepath.Join(dir, auditFile))
			if err != nil {
				t.Fatal(err)
			}
			report, err := VerifyAudit(dir, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(report.Problems, "\n"), test.want) {
				t.Errorf("got %q, want %q", report.Problems, test.want)
			}
			var tampered *TamperedError
			if _, err := OpenAudit(dir); !errors.As(err, &tampered) {
				t.Errorf("a signer with the log: got %v, want a *TamperedError", err)
			}
			if after, err := os.ReadFile(filepath.Join(dir, auditFile)); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the log that was changed is not as it was found: %v", err)
			}
		})
	}
}

// TestHead changes the file that tells which line was the newest.
func TestHead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(path string) error
		want   string
	}{
		"it was removed": {os.Remove, auditHead + " is not there"},
		"it was emptied": {func(path string) error { return os.Truncate(path, 0) }, auditHead + " is empty"},
		"it is garbage":  {func(path string) error { return os.WriteFile(path, []byte("head"), 0o600) }, auditHead + " is not as it was written"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := newLog(t, 5)
			if err := test.change(filepath.Join(dir, auditHead)); err != nil {
				t.Fatal(err)
			}
			report, err := VerifyAudit(dir, nil, nil)
			if err != nil || !slices.Contains(report.Problems, test.want) {
				t.Errorf("got %+v, %v, want %q", report, err, test.want)
			}
			var tampered *TamperedError
			if _, err := OpenAudit(dir); !errors.As(err, &tampered) {
				t.Errorf("a signer with the log: got %v, want a *TamperedError", err)
			}
		})
	}
}

// TestReceipts writes the whole log anew, and its head too: only the hub knows
// better.
func TestReceipts(t *testing.T) {
	t.Parallel()
	dir, receipts := newLog(t, 5)
	lines := chained(t, slices.Delete(readLines(t, dir), 2, 3))
	writeLines(t, dir, lines)
	write(t, filepath.Join(dir, auditHead), fmt.Appendf(nil, headFormat, 4, hashLine(bytes.TrimSuffix(lines[3], []byte("\n")))))
	report, err := VerifyAudit(dir, nil, nil)
	if err != nil || len(report.Problems) > 0 || report.Lines != 4 || report.Signatures != 4 {
		t.Fatalf("without receipts: %+v, %v", report, err)
	}
	report, err = VerifyAudit(dir, receipts, nil)
	if err != nil || len(report.Problems) != 3 || !strings.Contains(report.Problems[0], "line 3, which tells of a signature that the hub has") {
		t.Errorf("with receipts: %+v, %v, want lines 3 to 5 missing", report, err)
	}
}

// TestUnfinishedLine begins a line as a signer does that is killed, at every
// length.
func TestUnfinishedLine(t *testing.T) {
	t.Parallel()
	dir, _ := newLog(t, 3)
	l := openLog(t, dir)
	if _, err := l.Append(Line{Event: EventSignRPM, Key: "release"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lines := readLines(t, dir)
	next := lines[3]
	for n := 1; n < len(next); n++ {
		dir, _ := newLog(t, 3)
		writeLines(t, dir, slices.Concat(readLines(t, dir)))
		file, err := os.OpenFile(filepath.Join(dir, auditFile), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.Write(next[:n])
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		if err := openLog(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		var last Line
		report, err := VerifyAudit(dir, nil, func(line Line) { last = line })
		if err != nil || len(report.Problems) > 0 || report.Lines != 4 || last.Event != EventRecovered || last.SHA256 != digestOf(next[:n]) {
			t.Fatalf("after %d bytes: %+v, %v, newest line %+v", n, report, err, last)
		}
	}
}

// TestLineWithoutHead is a signer that was killed between the two.
func TestLineWithoutHead(t *testing.T) {
	t.Parallel()
	dir, _ := newLog(t, 3)
	head, err := os.ReadFile(filepath.Join(dir, auditHead))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l := openLog(t, dir)
		if _, err := l.Append(Line{Event: EventSignRPM}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, auditHead), head)
	var tampered *TamperedError
	if _, err := OpenAudit(dir); !errors.As(err, &tampered) {
		t.Errorf("a head that is two lines old: got %v, want a *TamperedError", err)
	}
	writeLines(t, dir, readLines(t, dir)[:4])
	if err := openLog(t, dir).Close(); err != nil {
		t.Errorf("a head that is one line old: %v", err)
	}
	if report, err := VerifyAudit(dir, nil, nil); err != nil || len(report.Problems) > 0 || report.Head.Seq != 4 {
		t.Errorf("afterwards: %+v, %v", report, err)
	}
}

// TestFullDisk takes the room away in the middle of a line, by the limit on the
// size of files, in another process.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir, _ := newLog(t, 3)
	out, err := helper(t, "append", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("helper: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "file too large") {
		t.Errorf("the helper said %q", out)
	}
	report, err := VerifyAudit(dir, nil, nil)
	if err != nil || len(report.Problems) > 0 || report.Lines != 4 {
		t.Errorf("got %+v, %v, want the three lines and the one that was written with room", report, err)
	}
}

// appendWithoutRoom is what the helper of TestFullDisk does.
func appendWithoutRoom(dir string) error {
	l, err := OpenAudit(dir)
	if err != nil {
		return err
	}
	limit := unix.Rlimit{Cur: uint64(l.size) + 10, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if _, err := l.Append(Line{Event: EventSignRPM}); err == nil {
		return errors.New("a line was written without room")
	} else {
		fmt.Println(err)
	}
	limit.Cur = unix.RLIM_INFINITY
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if _, err := l.Append(Line{Event: EventSignRPM}); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	return l.Close()
}
