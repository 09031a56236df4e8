package signer

import (
	"sync"
	"time"
)

const (
	// maxPerCaller is how many connections of one account are open at once; more
	// are refused. What one account does is nothing to the others.
	maxPerCaller = 256
	// refusalPause is how long refusals of one account for one reason are counted
	// together, once refusalBurst of them were logged: nobody may fill the disk
	// with them. Of accounts that may not use the signer one is logged.
	refusalPause = time.Minute
	refusalBurst = 20
)

// account is who calls: a user id that is allowed, or anybody else.
type account struct {
	allowed bool
	uid     uint32 // of those that are allowed
}

// callers counts the open connections of accounts. Safe for concurrent use.
type callers struct {
	mu   sync.Mutex
	open map[account]int
}

// enter counts a connection, unless there are too many of the account.
func (c *callers) enter(who account) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[who] >= maxPerCaller {
		return false
	}
	if c.open == nil {
		c.open = map[account]int{}
	}
	c.open[who]++
	return true
}

// leave ends what enter began.
func (c *callers) leave(who account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[who]--; c.open[who] == 0 {
		delete(c.open, who)
	}
}

// reason is why an account was refused.
type reason struct {
	account
	code Code
}

// refusals are how often accounts were refused lately, and what was not logged of
// it.
type refusals struct {
	mu     sync.Mutex
	lately map[reason]*lately
}

type lately struct {
	since  time.Time
	logged int // since then
	// unlogged is the newest line that was not logged, and how many there were.
	unlogged Line
	times    int
}

// refusal logs a refusal, or counts it where too many were logged lately: the next
// one that is logged tells of them, or the end of the server.
func (s *Server) refusal(who account, line Line) {
	s.refusals.mu.Lock()
	defer s.refusals.mu.Unlock()
	why := reason{who, line.Code}
	l := s.refusals.lately[why]
	if l == nil {
		if s.refusals.lately == nil {
			s.refusals.lately = map[reason]*lately{}
		}
		l = &lately{}
		s.refusals.lately[why] = l
	}
	burst := refusalBurst
	if !who.allowed {
		burst = 1
	}
	now := s.now()
	if now.Sub(l.since) >= refusalPause {
		l.since, l.logged = now, 0
	}
	if l.times++; l.logged >= burst {
		l.unlogged = line
		return
	}
	s.logTimes(l, line)
	l.logged++
}

// logTimes logs a line that stands for all that were not logged.
func (s *Server) logTimes(l *lately, line Line) {
	if l.times > 1 {
		line.Times = l.times
	}
	s.append(line)
	l.times = 0
}

// logRest logs what was not logged of refusals.
func (s *Server) logRest() {
	s.refusals.mu.Lock()
	defer s.refusals.mu.Unlock()
	for _, l := range s.refusals.lately {
		if l.times > 0 {
			s.logTimes(l, l.unlogged)
		}
	}
}
