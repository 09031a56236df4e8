package builders_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// mishap is a stage that ends in a way drawn by the seed, the commit, the
// architecture and the attempt. Whatever it does may meet what other stages of
// the build do at that moment.
func (in *installation) mishap(seed uint64, n int, good stage) stage {
	return func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
		name := fnv.New64()
		fmt.Fprint(name, n, arch, order.Attempt)
		draw := rand.New(rand.NewPCG(seed, name.Sum64()))
		for range draw.IntN(10) {
			if err := in.Pool.Ping(ctx); err != nil {
				return builders.Outcome{}, err
			}
		}
		var err error
		end := good
		switch p := draw.IntN(100); {
		case p < 60:
		case p < 64:
			end = fail(&builders.Failure{Reason: "it does not compile"})
		case p < 77:
			end = fail(&builders.Failure{Infrastructure: true, Reason: "the network is gone"})
		case p < 80:
			panic("out of luck")
		case p < 90: // The host is given up and ends well all the same.
			err = in.bury(context.WithoutCancel(ctx), order.TaskID)
		case p < 93: // It ends badly.
			err = in.bury(context.WithoutCancel(ctx), order.TaskID)
			end = fail(&builders.Failure{Reason: "it does not compile"})
		case p < 97: // Somebody cancels; the driver does not listen.
			err = in.cancel(ctx, order.TaskID)
		default: // Somebody cancels; the driver listens.
			if err = in.cancel(ctx, order.TaskID); err == nil {
				<-ctx.Done()
				err = context.Cause(ctx)
			}
		}
		if err != nil {
			return builders.Outcome{}, err
		}
		return end(ctx, order, arch)
	}
}

// cancel cancels the build of a task, unless it is over.
func (in *installation) cancel(ctx context.Context, task int64) error {
	ctx = context.WithoutCancel(ctx)
	client, err := queue.NewClient(in.Pool, queue.Config{Logger: in.stages.Logger})
	if err != nil {
		return err
	}
	var build int64
	if err := in.Pool.QueryRow(ctx, "select build_id from tasks where id = $1", task).Scan(&build); err != nil {
		return err
	}
	err = queue.CancelBuild(ctx, in.Pool, client, queuetest.ExternalURL, build, "no more")
	var over *queue.NotBuildingError
	if errors.As(err, &over) {
		return nil
	}
	return err
}

// TestEveryBuildEnds builds for three arches while tasks fail, hosts die and
// people cancel, in any order.
func TestEveryBuildEnds(t *testing.T) {
	t.Parallel()
	const count = 30
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	in := newInstallation(t, "x86_64", "aarch64", "riscv64")
	in.work(t)
	for n := range count {
		how := in.as(t, n-n%5%2) // some want the NVR of another
		how = script{srpm: in.mishap(seed, n, how.srpm), build: in.mishap(seed, n, how.build)}
		if n%2 == 0 {
			in.build(t, n, how)
		} else {
			in.scratch(t, n, how)
		}
	}
	in.idle(t)
	t.Logf("outcomes: %v", queuetest.Values[string](t, in.Pool, "select state || ' ' || count(*) from builds group by state order by 1"))

	// What a build that is complete still waits for is its publication.
	const waits = "(b.state = 'COMPLETE' and not b.scratch)"
	for what, sql := range map[string]string{
		"builds without a final state": `select id || ' ' || state from builds where state not in ('COMPLETE', 'FAILED', 'CANCELED')`,
		"tasks without a final state": `select b.id || ' ' || t.method || ' ' || t.arch || ' ' || t.state from tasks t join builds b on b.id = t.build_id
			where t.state not in ('CLOSED', 'FAILED', 'CANCELED') and not (` + waits + ` and t.method in ('build', 'tagBuild'))`,
		"root tasks that tell another end than their builds": `select b.id || ' ' || b.state || ' ' || t.state from tasks t join builds b on b.task_id = t.id
			where t.state <> case when ` + waits + ` then 'OPEN' when b.state = 'COMPLETE' then 'CLOSED' else b.state end`,
		"statuses without a final state": `select b.id || ' ' || r.context || ' ' || r.state from reports r join builds b on b.id = r.build_id
			where r.state = 'pending' and not (` + waits + ` and r.context = 'distbot/f37')`,
		"contexts with another number of final states than one": `select b.id || ' ' || h.context || ' ' || count(*) filter (where h.state <> 'pending')
			from history h join builds b on b.id = h.build_id group by b.id, h.context
			having count(*) filter (where h.state <> 'pending') <> case when ` + waits + ` and h.context = 'distbot/f37' then 0 else 1 end`,
		"builds whose status tells another end": `select b.id || ' ' || b.state || ' ' || r.state from builds b join reports r on r.build_id = b.id and r.context = 'distbot/f37'
			where not case b.state when 'COMPLETE' then r.state = case when b.scratch then 'success' else 'pending' end
				when 'CANCELED' then r.state = 'error' else r.state in ('failure', 'error') end`,
		"complete builds with unfinished business": `select b.id || ' ' || t.arch || ' ' || t.state from builds b join tasks t on t.build_id = b.id
			where b.state = 'COMPLETE' and t.method in ('buildSRPM', 'buildArch') and t.state <> 'CLOSED'`,
		"builds with other packages than they should have": `select b.id || ' ' || b.state || ' ' || (select count(*) from rpms r where r.build_id = b.id) from builds b
			where (select count(*) from rpms r where r.build_id = b.id) <> case when b.state = 'COMPLETE' then 4 else 0 end`,
		"results that do not count": `select b.id || ' ' || a.name || ' ' || a.attempt from task_artifacts a join tasks t on t.id = a.task_id join builds b on b.id = t.build_id
			where a.attempt <> t.attempt or t.state <> 'CLOSED'`,
		"NVRs of more than one build":              `select nvr || ' ' || count(*) from builds where state = 'COMPLETE' and not scratch group by nvr having count(*) > 1`,
		"builds that were imported more than once": `select args::text || ' ' || count(*) from river_job where kind = 'builders.import' group by args having count(*) > 1`,
		"builds with another number of taggings than one": `select b.id || ' ' || count(j.id) from builds b left join river_job j
			on j.kind = 'tags.apply' and (j.args ->> 'build_id')::bigint = b.id group by b.id having count(j.id) <> case when ` + waits + ` then 1 else 0 end`,
	} {
		if diff := cmp.Diff([]string{}, queuetest.Values[string](t, in.Pool, sql)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if n := queuetest.Value[int](t, in.Pool, "select count(*) from builds"); n != count {
		t.Errorf("%d builds, want %d", n, count)
	}
}

// bury takes a task away from its host as if that had died with it.
func (in *installation) bury(ctx context.Context, task int64) error {
	q := db.New(in.Pool)
	row, err := q.GetTask(ctx, task)
	if err != nil || row.HostID == nil {
		return err
	}
	_, err = q.LoseTasksOfHost(ctx, db.LoseTasksOfHostParams{
		HostID: row.HostID, ClientID: *row.ClientID, Tasks: []int64{task}, Outcome: "lost", Reason: "starts again", Losses: 1,
	})
	return err
}
