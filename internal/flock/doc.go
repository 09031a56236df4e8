// Package flock locks paths among processes, with flock(2).
//
// It knows files and waiting. It refuses to know what a lock protects.
package flock
