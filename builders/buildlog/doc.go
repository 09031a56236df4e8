// Package buildlog keeps what builds print within bounds: logs that grow to a
// size, the output of commands, and the list of packages that rpm prints.
//
// It knows sizes and refuses to know words: why a build failed is read by
// package diagnosis.
package buildlog
