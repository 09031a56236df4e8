package web

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
)

// Bounds of what is read of modules.yaml to show it.
const (
	maxModulesBytes  = 8 << 20
	maxModulesListed = 500
)

// moduleLine is a module stream of a generation.
type moduleLine struct {
	Name, Stream, Version, Context string
	// Arches are the architectures whose repositories have it.
	Arches []string
}

// modulesOfGeneration lists the module streams in the files of a generation, by
// name, or says why they can't be told.
func (s *server) modulesOfGeneration(g generationLine) (lines []moduleLine, trouble string) {
	for _, arch := range g.Arches {
		err := s.modulesOfTree(path.Join(g.Directory, g.NumberText(), arch), func(m moduleLine) error {
			i := slices.IndexFunc(lines, func(l moduleLine) bool {
				return l.Name == m.Name && l.Stream == m.Stream && l.Version == m.Version && l.Context == m.Context
			})
			switch {
			case i >= 0:
				lines[i].Arches = append(lines[i].Arches, arch)
			case len(lines) == maxModulesListed:
				return errTooManyModules
			default:
				m.Arches = []string{arch}
				lines = append(lines, m)
			}
			return nil
		})
		switch {
		case errors.Is(err, errTooManyModules) || errors.Is(err, modulemd.ErrTooLarge):
			return lines, "There are more: modules.yaml has them all."
		case errors.Is(err, modulemd.ErrInvalid):
			trouble = "Clients can't use some module documents of " + arch + ": distbot repo verify tells which, and why."
		case err != nil:
			s.Logger.Warn("web: modules of a generation can't be read", "tag", g.Tag, "generation", g.Number, "arch", arch, "error", err)
			return lines, "The modules of " + arch + " can't be read just now."
		}
	}
	return lines, trouble
}

// errTooManyModules ends the reading of modules.
var errTooManyModules = errors.New("web: more modules than are listed")

// modulesOfTree reads the streams in modules.yaml of one repository; none where
// it has no such document. The error wraps modulemd.ErrInvalid after all that
// clients can use was found, when there are documents that they can't.
func (s *server) modulesOfTree(dir string, found func(moduleLine) error) error {
	root, err := openBelow(s.ReposDir, dir)
	if errors.Is(err, errNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	opened, err := openModules(root)
	if err != nil || opened == nil {
		return err
	}
	defer opened.Close()
	index, err := modulemd.ReadFrom(opened, modulemd.ReadOptions{Limits: modulemd.Limits{Bytes: maxModulesBytes}})
	if err != nil {
		return err
	}
	for _, d := range index.Streams {
		if err := found(moduleLine{Name: d.Name, Stream: d.Stream, Version: strconv.FormatUint(d.Version, 10), Context: d.Context}); err != nil {
			return err
		}
	}
	return index.Err()
}

// openModules opens modules.yaml of a repository, nil where there is none.
func openModules(root *os.Root) (io.ReadCloser, error) {
	index, err := root.Open("repodata/repomd.xml")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer index.Close()
	md, err := repomd.ReadRepomd(index)
	if err != nil {
		return nil, err
	}
	data, ok := md.Find("modules")
	if !ok {
		return nil, nil
	}
	return data.Open(root.FS())
}
