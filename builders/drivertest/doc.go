// Package drivertest is the conformance suite of builders.Driver, and the
// packages and repositories that drivers are tested with.
//
// Exercise is what every driver must pass. It knows the contract of
// builders.Driver, and what a driver may lack of it; it refuses to know how any
// driver works. Drivers test the rest in their own packages.
package drivertest
