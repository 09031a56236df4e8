// Package closure tells which requirements of a repository's packages nothing
// meets: as dnf's repoclosure does, but once for each combination of module
// streams that can be active, since a client sees other packages in each.
//
// What a client sees follows libdnf: of the active streams the artifacts; of the
// others none; of all further packages those that neither are called like an
// artifact of an active stream nor provide its name; and of repositories with
// module_hotfixes everything.
//
// Rich requirements are answered by logic, where dnf 4 takes (A and B) for met
// when one of them is there, and (A if B) for unmet when A is not.
//
// It knows packages and streams. It refuses to know where repositories come
// from, and what is done about problems.
package closure
