package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"
)

// processorTime is what a flow has used so far: this process, the programs it
// ran to their end, and the database's processes that are still there.
type processorTime struct {
	distbot, programs time.Duration
	postgres          map[int]time.Duration
}

// processorTimeOf reads the times of a flow whose database runs on this host.
func processorTimeOf(tb testing.TB, pool *pgxpool.Pool) processorTime {
	tb.Helper()
	// Other databases of the server are other tests' affair; its own processes
	// have none.
	rows, err := pool.Query(tb.Context(), "select pid from pg_stat_activity where datname = current_database() or datname is null")
	if err != nil {
		tb.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		tb.Fatal(err)
	}
	spent := processorTime{distbot: rusage(tb, unix.RUSAGE_SELF), programs: rusage(tb, unix.RUSAGE_CHILDREN), postgres: map[int]time.Duration{}}
	for _, pid := range pids {
		spent.postgres[pid], err = timeOf(pid)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			tb.Fatal(err)
		}
	}
	return spent
}

// rusage is what this process, or its children that ended, used.
func rusage(tb testing.TB, who int) time.Duration {
	tb.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(who, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// timeOf reads the user and system time of a process, fields 14 and 15 of
// proc(5)'s stat, in ticks of 10 ms; the second field may hold anything.
func timeOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d: unknown form of stat", pid)
	}
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// report reports what was used since before.
func (p processorTime) report(b *testing.B, before processorTime) {
	b.Helper()
	var postgres time.Duration
	for pid, spent := range p.postgres {
		postgres += spent - before.postgres[pid]
	}
	b.ReportMetric((p.distbot - before.distbot).Seconds(), "cpu-s/distbot")
	b.ReportMetric((p.programs - before.programs).Seconds(), "cpu-s/git")
	b.ReportMetric(postgres.Seconds(), "cpu-s/postgres")
}
