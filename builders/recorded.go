package builders

// recordedRecipe is what is kept of a recipe beside the packages that its
// buildroot held.
type recordedRecipe struct {
	Install []string          `json:"install"`
	Macros  map[string]string `json:"macros"`
	Repos   []recordedRepo    `json:"repos"`
}

// recordedRepo is a repository of a recipe.
type recordedRepo struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	Cost int    `json:"cost"`
}

func recorded(root Recipe) recordedRecipe {
	kept := recordedRecipe{Install: root.Install, Macros: root.Macros}
	for _, repo := range root.Repos {
		kept.Repos = append(kept.Repos, recordedRepo(repo))
	}
	return kept
}
