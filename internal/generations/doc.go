// Package generations reads what the generations of tags' repositories hold, and
// how two of them differ.
//
// It knows their tables, also of those whose files are gone, and refuses to know
// how generations are made, who may ask for one, and every file. Whoever needs
// it brings the connection; it changes nothing.
package generations
