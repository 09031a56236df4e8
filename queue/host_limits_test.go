package queue_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// takes is what the scheduler gives a host.
type takes struct {
	Arches, Emulated, Channels []string
	Capacity                   float32
}

// TestAHostOnlyNarrowsWhatItIsAllowed: what a host says of itself when it connects
// again, as one that somebody has taken over might, gets it no other work.
func TestAHostOnlyNarrowsWhatItIsAllowed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		embedded bool
		// allowed are assignments of the host's row, before it connects first.
		allowed string
		says    []queue.HostInfo
		want    takes
	}{
		"What it says first counts from then on": {
			allowed: "channels_set = '{default}'",
			says: []queue.HostInfo{
				{Arches: []string{"riscv64"}, Capacity: 4},
				{Arches: []string{"x86_64", "riscv64"}, Channels: []string{"secure", "default"}, Capacity: 1000},
			},
			want: takes{Arches: []string{"riscv64"}, Channels: []string{"default"}, Capacity: 4},
		},
		"Nothing that it says first is more than was decided before": {
			allowed: "arches_set = '{aarch64,riscv64}', channels_set = '{default,kernels}', capacity_set = 2",
			says:    []queue.HostInfo{{Arches: []string{"x86_64", "riscv64"}, Emulated: []string{"x86_64", "riscv64"}, Channels: []string{"secure", "kernels"}, Capacity: 4}},
			want:    takes{Arches: []string{"riscv64"}, Emulated: []string{"riscv64"}, Channels: []string{"kernels"}, Capacity: 2},
		},
		"It may take less": {
			allowed: "arches_set = '{aarch64,riscv64}', channels_set = '{default,kernels}', capacity_set = 8",
			says:    []queue.HostInfo{{Arches: []string{"aarch64"}, Channels: []string{"kernels"}, Capacity: 1}},
			want:    takes{Arches: []string{"aarch64"}, Channels: []string{"kernels"}, Capacity: 1},
		},
		"Without channels of its own it takes all that are allowed": {
			allowed: "channels_set = '{default,kernels}'",
			says:    []queue.HostInfo{{Arches: []string{"x86_64"}, Capacity: 1}},
			want:    takes{Arches: []string{"x86_64"}, Channels: []string{"default", "kernels"}, Capacity: 1},
		},
		"Without architectures of its own it takes none": {
			allowed: "arches_set = '{x86_64}', channels_set = '{default}'",
			says:    []queue.HostInfo{{Capacity: 1}},
			want:    takes{Channels: []string{"default"}, Capacity: 1},
		},
		"A host that is part of a hub takes what its configuration says": {
			embedded: true,
			says:     []queue.HostInfo{{Arches: []string{"x86_64"}, Capacity: 1}, {Arches: []string{"x86_64", "i686"}, Capacity: 4}},
			want:     takes{Arches: []string{"x86_64", "i686"}, Channels: []string{"default"}, Capacity: 4},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			if !test.embedded {
				queuetest.Exec(t, pool, "insert into hosts (name, remote) values ('b1', true)")
				queuetest.Exec(t, pool, "update hosts set "+test.allowed)
			}
			for _, info := range test.says {
				info.Name, info.Remote = "b1", !test.embedded
				if _, err := queue.Connect(t.Context(), pool, info, "b1"); err != nil {
					t.Fatal(err)
				}
			}
			hosts, err := db.New(pool).HostsToSchedule(t.Context())
			if err != nil || len(hosts) != 1 {
				t.Fatalf("%d hosts are given work, %v; want one", len(hosts), err)
			}
			got := takes{hosts[0].Arches, hosts[0].Emulated, hosts[0].Channels, hosts[0].Capacity}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("what it takes (-want +got):\n%s", diff)
			}
		})
	}
}
