package distgit

import (
	"context"
	"errors"
	"strings"

	"github.com/distbot/distbot/internal/autospec"
)

// maxGuessed is the most commits that a release is guessed of: planning does not
// wait for more.
const maxGuessed = 2000

// errNoGuess says that the static reader can't tell a version that counts.
var errNoGuess = errors.New("the version is not known without rpm")

// guessNVR is the NVR of a spec with %autorelease, as far as the static reader
// can tell; empty where it can't. The sandbox computes the exact one.
func (m *Mirrors) guessNVR(ctx context.Context, remote Remote, commit string, spec *Spec, options SpecOptions) string {
	given, dist, ok := autospec.ReadRelease(spec.Release.Raw)
	suffix := options.Macros["dist"]
	if !dist {
		suffix = ""
	}
	if !ok || !spec.Name.Evaluated || !spec.Version.Evaluated || strings.Contains(suffix, "%") {
		return ""
	}
	history, err := m.history(ctx, remote, commit, spec.File, maxGuessed)
	if err != nil {
		return ""
	}
	guesses := make(map[string]autospec.Version)
	result, err := autospec.Walk(ctx, history, false, func(_ context.Context, c *autospec.Commit) (autospec.Version, error) {
		guess, seen := guesses[c.SpecBlob]
		if !seen {
			guess = guessVersion(spec.File, history.Blobs[c.SpecBlob], options)
			guesses[c.SpecBlob] = guess
		}
		if guess.EpochVersion == "" {
			return guess, errNoGuess
		}
		if c.ID == commit {
			guess.Release = given
		}
		return guess, nil
	})
	if err != nil {
		return ""
	}
	return spec.Name.Text + "-" + spec.Version.Text + "-" + result.Release + suffix
}

// guessVersion is the epoch and version of a spec, empty when they are not
// certain.
func guessVersion(file string, text []byte, options SpecOptions) autospec.Version {
	spec, err := ReadSpec(file, text, options)
	switch {
	case err != nil || !spec.Version.Evaluated:
	case spec.Epoch.Evaluated:
		return autospec.Version{EpochVersion: spec.Epoch.Text + ":" + spec.Version.Text}
	case spec.Epoch.Reason == notInFile:
		return autospec.Version{EpochVersion: spec.Version.Text}
	}
	return autospec.Version{}
}
