// Package webhooks is the front door: it authenticates deliveries of forges,
// stores each once with its exact body, enqueues its planning and answers.
//
// It knows HTTP, the forges' signatures and the deliveries table, and refuses
// to know builds, git, rpm and templates: whatever takes longer than one
// insert happens behind the queue. Its one transaction is delivery row + plan
// job: what was answered 202 is planned, whatever happens to this process.
package webhooks
