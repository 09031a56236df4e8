package signer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// AuditReport is what an audit log says in all.
type AuditReport struct {
	Lines      int64      `json:"lines"`
	Signatures int64      `json:"signatures"`
	Refusals   int64      `json:"refusals"`
	From       *time.Time `json:"from"`
	Until      *time.Time `json:"until"`
	// Head is the hash of the newest line. Whoever keeps it elsewhere can tell
	// later that nothing before it was changed.
	Head Receipt `json:"head"`
	// Unfinished is how many bytes follow it that are no whole line: one that is
	// being written, or that a killed signer, or somebody else, began.
	Unfinished int `json:"unfinished_bytes"`
	// Problems is empty for a log that is as it was written.
	Problems []string `json:"problems"`
}

// VerifyAudit reads the log in a directory and tells whether it is as it was
// written: every line in its place, none changed, none missing at the end. Each
// of receipts, which the hub has for its signatures, must be of a line in the
// log: an account that can change the whole log, its head too, still can't change
// those. visit, which may be nil, is called with each line. It may run beside the
// signer.
func VerifyAudit(dir string, receipts []Receipt, visit func(Line)) (*AuditReport, error) {
	report := &AuditReport{Problems: []string{}}
	readHead := func() (Receipt, error) { return readHeadFile(filepath.Join(dir, auditHead)) }
	head, err := readHead()
	var tampered *TamperedError
	if errors.As(err, &tampered) {
		// There is nothing to compare the end of the log with.
		report.Problems = append(report.Problems, tampered.Problems...)
		head, err = Receipt{Seq: unknownHead}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("signer: verify audit log: %w", err)
	}
	file, err := os.Open(filepath.Join(dir, auditFile))
	if err != nil {
		return nil, fmt.Errorf("signer: verify audit log: %w", err)
	}
	defer file.Close()
	wanted := make(map[Receipt]bool, len(receipts))
	for _, r := range receipts {
		wanted[r] = true
	}
	c, torn, err := readChain(file, head, readHead, func(line Line, at Receipt) {
		report.count(line)
		if line.Event == EventSignRPM || line.Event == EventSignRepomd {
			delete(wanted, at)
		}
		if visit != nil {
			visit(line)
		}
	})
	report.Head, report.Unfinished = c.last, len(torn)
	if errors.As(err, &tampered) {
		report.Problems = append(report.Problems, tampered.Problems...)
	} else if err != nil {
		return nil, fmt.Errorf("signer: verify audit log: %w", err)
	}
	for _, r := range receipts {
		if wanted[r] && len(report.Problems) < maxProblems {
			report.Problems = append(report.Problems, fmt.Sprintf("line %d, which tells of a signature that the hub has, is not there, or was changed", r.Seq))
		}
	}
	return report, nil
}

func (r *AuditReport) count(line Line) {
	r.Lines++
	switch line.Event {
	case EventSignRPM, EventSignRepomd:
		r.Signatures++
	case EventRefused:
		r.Refusals += int64(max(1, line.Times))
	}
	at := line.At
	if at.IsZero() {
		return // no line of a signer
	}
	if r.From == nil {
		r.From = &at
	}
	r.Until = &at
}

func readHeadFile(path string) (Receipt, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Receipt{}, &TamperedError{Problems: []string{auditHead + " is not there"}}
	}
	if err != nil {
		return Receipt{}, err
	}
	defer file.Close()
	return readHead(file)
}
