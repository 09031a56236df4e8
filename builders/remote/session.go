package remote

import (
	"fmt"
	"math"
	"net/http"
	"regexp"

	"github.com/distbot/distbot/queue"
)

// Bounds of what a host says of itself.
const (
	maxNames    = 64
	maxCapacity = 10_000
	maxRunning  = 10_000
)

// word is what architectures, channels and drivers are called.
var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$`)

// connect makes the calling process the host.
func (s *Server) connect(w http.ResponseWriter, r *request) error {
	var info queue.HostInfo
	if err := s.message(r, maxMessage, &info); err != nil {
		return err
	}
	if err := checkInfo(info); err != nil {
		return err
	}
	if s.Bell != nil {
		// What the host was told in its former life means nothing to it now.
		if err := s.Bell.Drop(r.Context(), r.peer.HostID); err != nil {
			s.Logger.Warn("remote: forget what a host was told", "host", r.peer.Name, "error", err)
		}
	}
	// Whoever the message says it is from.
	info.Name, info.Remote = r.peer.Name, true
	session := r.peer.Name + "-" + newSecret()[:16]
	holder, err := queue.Connect(r.Context(), s.Stages.Pool, info, session)
	if err != nil {
		return err
	}
	if holder.ID != r.peer.HostID {
		// Its name went to another host a moment ago.
		return queue.ErrUnknownHost
	}
	s.Logger.Info("remote: a builder has connected", "host", r.peer.Name, "client", session, "arches", info.Arches, "capacity", info.Capacity, "driver", info.Driver, "version", info.Version)
	writeJSON(w, http.StatusOK, connectAnswer{HostID: holder.ID, Host: r.peer.Name, Session: session})
	return nil
}

// probe tells what connect would do, and does nothing.
func (s *Server) probe(w http.ResponseWriter, r *request) error {
	var info queue.HostInfo
	if err := s.message(r, maxMessage, &info); err != nil {
		return err
	}
	if err := checkInfo(info); err != nil {
		return err
	}
	info.Name = r.peer.Name
	why, err := queue.ProbeHost(r.Context(), s.Stages.Pool, info)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, probeAnswer{Unready: why})
	return nil
}

// checkInfo refuses what no host can be like.
func checkInfo(info queue.HostInfo) error {
	for what, list := range map[string][]string{"architecture": info.Arches, "emulated architecture": info.Emulated, "channel": info.Channels} {
		if len(list) > maxNames {
			return bad("more than %d names: %s", maxNames, what)
		}
		for _, name := range list {
			if !word.MatchString(name) {
				return bad("%.80q is no %s", name, what)
			}
		}
	}
	if !(info.Capacity > 0 && info.Capacity <= maxCapacity) {
		return bad("the capacity must be between 0 and %d", maxCapacity)
	}
	if !word.MatchString(info.Driver) {
		return bad("%.80q is no driver", info.Driver)
	}
	if info.Instance != "" && !word.MatchString(info.Instance) {
		return bad("%.80q is no instance", info.Instance)
	}
	if len(info.Version) > 200 || queue.OneLine(info.Version) != info.Version {
		return bad("%.80q is no version", info.Version)
	}
	return checkStatus(info.Status)
}

// checkStatus refuses what no machine can be like.
func checkStatus(status queue.HostStatus) error {
	if len(status.Running) > maxRunning {
		return bad("more than %d attempts are worked on", maxRunning)
	}
	if status.MemoryFree < 0 || status.DiskFree < 0 || status.LoadAverage < 0 || math.IsInf(float64(status.LoadAverage), 0) {
		return bad("the status can't be true")
	}
	return nil
}

// heartbeat renews the host's lease.
func (s *Server) heartbeat(w http.ResponseWriter, r *request) error {
	var status queue.HostStatus
	if err := s.message(r, maxMessage, &status); err != nil {
		return err
	}
	if err := checkStatus(status); err != nil {
		return err
	}
	orders, err := queue.Heartbeat(r.Context(), s.Stages.Pool, r.holder(), status)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, orders)
	return nil
}

// disconnect ends the host's lease.
func (s *Server) disconnect(w http.ResponseWriter, r *request) error {
	if err := queue.Disconnect(r.Context(), s.Stages.Pool, r.holder()); err != nil {
		return fmt.Errorf("remote: disconnect: %w", err)
	}
	s.Logger.Info("remote: a builder has disconnected", "host", r.peer.Name, "client", r.session)
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}
