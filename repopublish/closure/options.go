package closure

import (
	"io/fs"

	"github.com/distbot/distbot/internal/modulemd"
)

// Repo is one of the repositories that a client has enabled.
type Repo struct {
	Name string
	// Files hold the repodata; they must not change until Check returns.
	Files fs.FS
	// Modules are the module documents; nil for none.
	Modules *modulemd.Index
	// Check: its packages are checked. The others only provide.
	Check bool
	// Hotfixes is dnf's module_hotfixes: no module hides packages of it.
	Hotfixes bool
}

// Options say what is checked, in the words of dnf repoclosure.
type Options struct {
	// Arches are those of the packages that are checked; empty for all.
	Arches []string
	// Machine is the architecture of the client; empty for each that packages
	// to be checked are made for.
	Machine string
	// Platform is the client's stream of the module "platform", such as "el8";
	// empty for any.
	Platform string
	// Newest leaves out older versions within each repository.
	Newest bool
	// Best leaves out older versions of all repositories, as providers.
	Best bool
	// Packages are those that are checked, by name, name.arch or NEVRA; empty
	// for all.
	Packages []string
}
