package web

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
)

const (
	// maxModulesBytes bounds what is read of modules.yaml to show it, as it lies
	// in the repository and decompressed.
	maxModulesBytes = 8 << 20
	// maxModulesListed is how many streams are shown, maxModulesText how many bytes
	// their names may have together: names are as long as a stranger likes.
	maxModulesListed, maxModulesText = 500, 64 << 10
	// modulesTime is how long a page waits for its modules in all.
	modulesTime = 5 * time.Second
)

// moduleStream names a module stream of a repository.
type moduleStream struct{ Name, Stream, Version, Context string }

// moduleLine is a module stream of a generation.
type moduleLine struct {
	moduleStream
	// Arches are the architectures whose repositories have it.
	Arches []string
}

// moduleList is what is shown of one modules.yaml.
type moduleList struct {
	streams []moduleStream
	// more says that there are others, which are not shown.
	more bool
	// unusable says that there are documents which clients can't use.
	unusable bool
}

// modulesOfGeneration lists the module streams in the files of a generation, and
// says what is not told of them, and why.
func (s *server) modulesOfGeneration(ctx context.Context, g generationLine) (lines []moduleLine, trouble string) {
	ctx, cancel := context.WithTimeout(ctx, modulesTime)
	defer cancel()
	var unusable, notes []string
	more, place := false, map[moduleStream]int{}
	for _, arch := range g.Arches {
		list, err := s.modulesOfTree(ctx, path.Join(g.Directory, g.NumberText(), arch))
		if errors.Is(err, errModulesBusy) || ctx.Err() != nil {
			notes = append(notes, "The modules of "+arch+" can't be told just now: many are being read. Load the page again in a moment.")
			break
		}
		if err != nil {
			s.Logger.Warn("web: modules of a generation can't be read", "tag", g.Tag, "generation", g.Number, "arch", arch, "error", err)
			notes = append(notes, "The modules of "+arch+" can't be read just now.")
			continue
		}
		for _, stream := range list.streams {
			i, there := place[stream]
			if !there {
				if len(lines) == maxModulesListed {
					more = true
					continue
				}
				i = len(lines)
				place[stream], lines = i, append(lines, moduleLine{moduleStream: stream})
			}
			if n := len(lines[i].Arches); n == 0 || lines[i].Arches[n-1] != arch {
				lines[i].Arches = append(lines[i].Arches, arch)
			}
		}
		more = more || list.more
		if list.unusable {
			unusable = append(unusable, arch)
		}
	}
	if len(unusable) > 0 {
		notes = append(notes, "Clients can't use some module documents of "+strings.Join(unusable, ", ")+": distbot repo verify tells which, and why.")
	}
	if more {
		notes = append(notes, "There are more: modules.yaml has them all.")
	}
	return lines, strings.Join(notes, " ")
}

// modulesOfTree lists the streams in modules.yaml of one repository; none where
// it has no such document. The error wraps errModulesBusy, or is that of ctx,
// where they are not known and can't be read now.
func (s *server) modulesOfTree(ctx context.Context, dir string) (moduleList, error) {
	root, err := openBelow(s.ReposDir, dir)
	if errors.Is(err, errNotFound) {
		return moduleList{}, nil
	}
	if err != nil {
		return moduleList{}, err
	}
	defer root.Close()
	data, there, err := modulesRecord(root)
	if err != nil || !there {
		return moduleList{}, err
	}
	if data.Size > maxModulesBytes || data.OpenSize > maxModulesBytes {
		return moduleList{more: true}, nil
	}
	kind, sum, err := data.Checksum()
	if err != nil {
		return moduleList{}, err
	}
	// Whoever asks first may leave before the rest: what is read does not depend
	// on their request.
	return s.modules.get(ctx, kind+":"+sum, func() (moduleList, error) {
		root, err := openBelow(s.ReposDir, dir)
		if err != nil {
			return moduleList{}, err
		}
		defer root.Close()
		return readModules(root, data)
	})
}

// modulesRecord is what repomd.xml of a repository says of modules.yaml.
func modulesRecord(root *os.Root) (data repomd.Data, there bool, err error) {
	index, err := root.Open("repodata/repomd.xml")
	if errors.Is(err, fs.ErrNotExist) {
		return repomd.Data{}, false, nil
	}
	if err != nil {
		return repomd.Data{}, false, err
	}
	defer index.Close()
	md, err := repomd.ReadRepomd(index)
	if err != nil {
		return repomd.Data{}, false, err
	}
	data, there = md.Find("modules")
	return data, there, nil
}

// readModules reads the document that data describes: at most maxModulesBytes of
// it, whatever repomd.xml says.
func readModules(root *os.Root, data repomd.Data) (moduleList, error) {
	info, err := root.Stat(path.Clean(data.Href))
	if err != nil {
		return moduleList{}, err
	}
	if info.Size() > maxModulesBytes {
		return moduleList{more: true}, nil
	}
	opened, err := data.Open(root.FS())
	if err != nil {
		return moduleList{}, err
	}
	defer opened.Close()
	index, err := modulemd.ReadFrom(opened, modulemd.ReadOptions{Limits: modulemd.Limits{Bytes: maxModulesBytes}})
	switch {
	case errors.Is(err, modulemd.ErrTooLarge):
		return moduleList{more: true}, nil
	case errors.Is(err, modulemd.ErrInvalid):
		return moduleList{unusable: true}, nil
	case err != nil:
		return moduleList{}, err
	}
	list := moduleList{unusable: index.Err() != nil}
	left := maxModulesText
	for _, d := range index.Streams {
		// Copied: the list is kept, the document is not.
		stream := moduleStream{
			Name: strings.Clone(d.Name), Stream: strings.Clone(d.Stream),
			Version: strconv.FormatUint(d.Version, 10), Context: strings.Clone(d.Context),
		}
		left -= len(stream.Name) + len(stream.Stream) + len(stream.Version) + len(stream.Context)
		if left < 0 || len(list.streams) == maxModulesListed {
			list.more = true
			break
		}
		list.streams = append(list.streams, stream)
	}
	return list, nil
}
