package a

import "testing"

type t struct{ n int }

func TestPanics(x *testing.T) {
	var p *t
	p.n = 1
}
