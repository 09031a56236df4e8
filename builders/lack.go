package builders

// Lack is something of the contract of Driver that a driver does not keep.
type Lack string

// What a driver may lack.
const (
	// LackIsolation: builds see the host's files, processes and network.
	LackIsolation Lack = "isolation"
	// LackBuildroot: recipes are not installed; builds use what the host has,
	// and Outcome says nothing of it.
	LackBuildroot Lack = "buildroot"
	// LackRequirements: build requirements are not checked.
	LackRequirements Lack = "requirements"
)

// Lacks is what a driver lacks, as it says itself by a method of this name;
// most lack nothing.
func Lacks(driver Driver) []Lack {
	if limited, ok := driver.(interface{ Lacks() []Lack }); ok {
		return limited.Lacks()
	}
	return nil
}
