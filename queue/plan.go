package queue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
)

// plan is one round: the hosts as they will be, and what they are given.
type plan struct {
	hosts   map[int64]*db.HostsToScheduleRow
	order   []*db.HostsToScheduleRow
	refused map[refusal]bool
	// reserved hosts take nothing more in this round.
	reserved map[int64]bool
	assign   db.AssignTasksParams
}

type refusal struct{ task, host int64 }

func newPlan(hosts []db.HostsToScheduleRow) *plan {
	p := &plan{hosts: map[int64]*db.HostsToScheduleRow{}, refused: map[refusal]bool{}, reserved: map[int64]bool{}}
	for i := range hosts {
		p.hosts[hosts[i].ID] = &hosts[i]
		p.order = append(p.order, &hosts[i])
	}
	return p
}

// bins are the bins that hosts with room take tasks from, and how many tasks
// they could take at most.
func (p *plan) bins() db.TasksToScheduleParams {
	type bin struct{ channel, name string }
	room, arches := map[bin]int32{}, map[bin][]string{}
	var order []bin
	for _, host := range p.order {
		if host.Weight >= host.Capacity {
			continue
		}
		// The lightest task weighs 1.
		free := int32(host.Capacity-host.Weight) + 1
		for _, channel := range host.Channels {
			for _, name := range append(slices.Clone(host.Arches), arch.Noarch) {
				b := bin{channel, name}
				if room[b] == 0 {
					order = append(order, b)
				}
				room[b] = min(room[b]+free, roundSize)
				arches[b] = append(arches[b], host.Arches...)
			}
		}
	}
	var params db.TasksToScheduleParams
	for _, b := range order {
		params.Channels, params.Bins = append(params.Channels, b.channel), append(params.Bins, b.name)
		// Some may have been refused by the hosts that have room.
		params.MaxRows = append(params.MaxRows, room[b]+spareRows)
		slices.Sort(arches[b])
		params.Arches = append(params.Arches, strings.Join(slices.Compact(arches[b]), " "))
	}
	return params
}

// place chooses a host for a task, if one has room.
func (p *plan) place(task db.TasksToScheduleRow) {
	var best *db.HostsToScheduleRow
	var bestRoot string
	var bestRank rank
	willing := p.willing(task)
	for _, host := range p.order {
		root, ok := serves(host, task)
		if !ok || p.reserved[host.ID] || !fits(host, task) {
			continue
		}
		if p.refused[refusal{task.ID, host.ID}] && willing {
			continue
		}
		r := rankOf(host, root)
		if best == nil || r.less(bestRank) {
			best, bestRoot, bestRank = host, root, r
		}
	}
	if best == nil {
		p.reserve(task)
		return
	}
	best.Weight, best.Tasks = best.Weight+task.Weight, best.Tasks+1
	p.assign.Ids, p.assign.HostIds = append(p.assign.Ids, task.ID), append(p.assign.HostIds, best.ID)
	p.assign.ClientIds, p.assign.RootArches = append(p.assign.ClientIds, best.ClientID), append(p.assign.RootArches, bestRoot)
}

// give is the part of the plan that is about the free tasks, with the jobs that
// ring at the hosts: one for each task of an embedded host, whose place among
// the jobs, counted from 1, is the task's JobIds; one for all of a remote host's.
func (p *plan) give(free []db.LockFreeTasksRow) (give db.AssignTasksParams, jobs []river.JobArgs) {
	attempts := make(map[int64]int32, len(free))
	for _, task := range free {
		attempts[task.ID] = task.Attempt + 1
	}
	remote := map[int64]*DeliverArgs{}
	var deliveries []*DeliverArgs
	for i, id := range p.assign.Ids {
		attempt, ok := attempts[id]
		if !ok {
			continue
		}
		host, claim, job := p.assign.HostIds[i], Claim{TaskID: id, Attempt: attempt}, int64(0)
		if !p.hosts[host].Remote {
			jobs = append(jobs, TaskArgs{Claim: claim, HostID: host})
			job = int64(len(jobs))
		} else {
			if remote[host] == nil {
				remote[host] = &DeliverArgs{HostID: host}
				deliveries = append(deliveries, remote[host])
			}
			remote[host].Claims = append(remote[host].Claims, claim)
		}
		give.Ids, give.HostIds, give.ClientIds = append(give.Ids, id), append(give.HostIds, host), append(give.ClientIds, p.assign.ClientIds[i])
		give.RootArches, give.JobIds = append(give.RootArches, p.assign.RootArches[i]), append(give.JobIds, job)
	}
	for _, args := range deliveries {
		jobs = append(jobs, *args)
	}
	return give, jobs
}

// fits reports whether a host has room for a task. One that has nothing to do
// takes any: else a task could weigh more than every host may carry, and would
// never be built.
func fits(host *db.HostsToScheduleRow, task db.TasksToScheduleRow) bool {
	return host.Tasks == 0 || host.Capacity-host.Weight > max(0, task.Weight-heavy)
}

// reserve keeps the host that is nearest to having room for a heavy task from
// lighter ones that come after it, or they would take its turn for ever.
func (p *plan) reserve(task db.TasksToScheduleRow) {
	if task.Weight <= heavy {
		return
	}
	var nearest *db.HostsToScheduleRow
	for _, host := range p.order {
		_, ok := serves(host, task)
		if !ok || p.reserved[host.ID] || p.refused[refusal{task.ID, host.ID}] {
			continue
		}
		if nearest == nil || host.Weight < nearest.Weight {
			nearest = host
		}
	}
	if nearest != nil {
		p.reserved[nearest.ID] = true
	}
}

// willing reports whether a host could take the task that has not refused it,
// though it may have no room now. When all have refused, refusals count for
// nothing.
func (p *plan) willing(task db.TasksToScheduleRow) bool {
	return slices.ContainsFunc(p.order, func(host *db.HostsToScheduleRow) bool {
		_, ok := serves(host, task)
		return ok && !p.refused[refusal{task.ID, host.ID}]
	})
}

// serves reports whether a host is of a task's channel and architectures, and
// which architecture its buildroot will have: one without an emulator if there
// is a choice.
func serves(host *db.HostsToScheduleRow, task db.TasksToScheduleRow) (root string, ok bool) {
	if !slices.Contains(host.Channels, task.Channel) {
		return "", false
	}
	if len(task.RootArches) == 0 {
		// A tag without architectures: whoever takes it says so.
		return "", true
	}
	for _, a := range task.RootArches {
		if !slices.Contains(host.Arches, a) {
			continue
		}
		if !ok || slices.Contains(host.Emulated, root) && !slices.Contains(host.Emulated, a) {
			root, ok = a, true
		}
	}
	return root, ok
}

// rank orders hosts that could take a task.
type rank struct {
	emulated bool
	load     float32
	tasks    int32
}

func rankOf(host *db.HostsToScheduleRow, root string) rank {
	return rank{emulated: slices.Contains(host.Emulated, root), load: host.Weight / host.Capacity, tasks: host.Tasks}
}

func (r rank) less(o rank) bool {
	if r.emulated != o.emulated {
		return o.emulated
	}
	return cmp.Or(cmp.Compare(r.load, o.load), cmp.Compare(r.tasks, o.tasks)) < 0
}
