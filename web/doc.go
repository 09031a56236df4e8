// Package web shows an installation to people and programs: pages, live logs,
// a JSON API, the files of packages and repositories, health and metrics.
//
// It knows how rows and files become pages, and refuses to know the rules that
// made them. It changes nothing: every route answers GET and HEAD only, and its
// transactions are single reads. Everything it shows was written by strangers,
// so text is escaped by html/template, logs pass tasklog.Printable, and files
// are opened below os.Root.
//
// Pages work without JavaScript; with it, a build and a log refresh themselves
// over server-sent events (HTML Living Standard §9.2).
package web
