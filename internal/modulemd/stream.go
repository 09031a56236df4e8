package modulemd

// Stream is a stream document ("modulemd" version 1 or 2): one build of a
// module stream for one architecture.
//
// Lists that libmodulemd keeps as sets are sorted here, each entry once. A value
// that is absent and one that is empty are the same, but in Text both are as
// they were written.
type Stream struct {
	Origin
	// Format is the document's format version, 1 or 2. Version 1 is read into
	// the fields of version 2; Format only decides how it is written.
	Format int
	NSVCA
	// StaticContext: the context is the author's choice and counts literally.
	StaticContext        bool
	Summary, Description string
	ServiceLevels        map[string]ServiceLevel
	ModuleLicenses       []string
	ContentLicenses      []string
	XMD                  Value
	Dependencies         []Dependencies
	References           References
	Profiles             map[string]Profile
	// API, Filter and Demodularized are names of RPMs.
	API, Filter, Demodularized []string
	// BuildOpts is nil if the document has none.
	BuildOpts        *BuildOpts
	RPMComponents    map[string]RPMComponent
	ModuleComponents map[string]ModuleComponent
	// Artifacts are the RPMs of the stream as N-E:V-R.A.
	Artifacts []string
	// RPMMap says which RPM has which checksum: digest algorithm, checksum.
	RPMMap map[string]map[string]RPMMapEntry
	// Unknown are the fields the format does not have, in order.
	Unknown []UnknownField
}

// ServiceLevel says until when a stream is maintained.
type ServiceLevel struct {
	// EOL is a day, YYYY-MM-DD; empty if there is none.
	EOL string
}

// References are addresses to read at.
type References struct {
	Community, Documentation, Tracker string
}

// Profile is a set of RPMs to install together.
type Profile struct {
	Description string
	// RPMs are names.
	RPMs []string
	// Default: only meant for packager documents, but read in streams.
	Default bool
}

// Dependencies is one block of requirements: streams by module. No streams mean
// any; streams that begin with '-' mean any but these.
type Dependencies struct {
	BuildRequires, Requires map[string][]string
}

// BuildOpts are options for building the components.
type BuildOpts struct {
	Macros    string
	Whitelist []string
	Arches    []string
}

// RPMComponent is a source package the module is built of.
type RPMComponent struct {
	// Name is the package's, if it is not the component's key.
	Name                                string
	Rationale, Repository, Cache, Ref   string
	Buildroot, SRPMBuildroot, BuildOnly bool
	BuildOrder                          int64
	BuildAfter, Arches, Multilib        []string
}

// ModuleComponent is a module that is built as part of this one.
type ModuleComponent struct {
	Rationale, Repository, Ref string
	BuildOrder                 int64
	BuildOnly                  bool
}

// RPMMapEntry names an RPM in an RPM map.
type RPMMapEntry struct {
	Name    string
	Epoch   uint64
	Version string
	Release string
	Arch    string
}

// NEVRA is N-E:V-R.A.
func (e RPMMapEntry) NEVRA() string {
	return formatArtifact(e.Name, e.Epoch, e.Version, e.Release, e.Arch)
}

func (s *Stream) title() string  { return typeStream + " " + s.String() }
func (s *Stream) module() string { return s.Name }

// FormatDocument appends the document's text to b and returns it: as it was
// read, or in canonical style if it was made.
func (s *Stream) FormatDocument(b []byte) []byte { return appendText(b, s) }
