package repopublish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/generations"
	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tagview"
)

// content is what a generation consists of.
type content struct {
	rev    int64  // of the tag that it shows
	event  *int64 // the newest one it has seen; nil where none is known
	arches []string
	repos  map[string]*archContent
	builds map[int64]bool // those that have packages in it
	// keys are those the repository is signed with, need those whose signatures
	// every package must have, and unsigned tells of builds that lack one and are
	// not in it, though the tag has them.
	keys, need []string
	unsigned   map[int64]*unsignedBuild
	// labels are those of modular packages, by their ids; unread are packages
	// whose headers nobody has looked at for that.
	labels map[int64]string
	unread map[int64]store.Blob
	// names are those of the packages' files; nil before they are known.
	names *names
	// closure is the tag's policy, external are the repositories that clients
	// have beside it, found is what the check found, nil for none.
	closure  Policy
	external []tagview.ExternalRepo
	found    *generations.Closure
	// goesBack is the generation whose content this is; nil for what the tag
	// says now.
	goesBack *int64
	// ahead are the kept metadata of the architectures, nil for none.
	ahead  *ahead
	actor  string
	reason string
}

// archContent is the repository of one architecture.
type archContent struct {
	items  []repomd.Item
	rpmIDs []int64 // of the items
	builds []int64 // of the items
	comps  []byte
	// linked are the items as they lie in the tree, in the order of the
	// repository; nil before it is written.
	linked []repomd.Item
	// modules is modules.yaml, index what it says; nil for none.
	modules []byte
	index   *modulemd.Index
}

// newContent is an empty repository for each architecture.
func newContent(arches []string) *content {
	c := &content{
		arches: arches, repos: map[string]*archContent{}, builds: map[int64]bool{}, unsigned: map[int64]*unsignedBuild{},
		labels: map[int64]string{}, unread: map[int64]store.Blob{}, closure: PolicyOff,
	}
	for _, a := range arches {
		c.repos[a] = &archContent{}
	}
	return c
}

// packages is how many packages all architectures have together.
func (c *content) packages() (n int) {
	for _, repo := range c.repos {
		n += len(repo.items)
	}
	return n
}

// grow makes room for more packages.
func (repo *archContent) grow(n int) {
	repo.items = slices.Grow(repo.items, n)
	repo.rpmIDs, repo.builds = slices.Grow(repo.rpmIDs, n), slices.Grow(repo.builds, n)
}

// bytes is what the packages of all architectures have together.
func (c *content) bytes() (n int64) {
	for _, repo := range c.repos {
		for _, item := range repo.items {
			n += item.Size
		}
	}
	return n
}

// usualHref is what hrefOf makes.
const usualHref = "Packages/n/name-version-release.arch.rpm"

// hrefOf is where a package lies in its repository: in the directory of its
// first letter, as distributions have it.
func hrefOf(n rpmfile.NEVRA) string {
	return path.Join("Packages", strings.ToLower(n.Name[:1]), n.NVRA()+".rpm")
}

// add puts a package into the repository of an architecture.
func (c *content) add(a string, rpm db.RPMsOfBuildsRow) {
	repo := c.repos[a]
	nevra := rpmfile.NEVRA{Name: rpm.Name, Epoch: int(rpm.Epoch), Version: rpm.Version, Release: rpm.Release, Arch: rpm.Arch}
	repo.items = append(repo.items, repomd.Item{
		NEVRA: nevra, File: repomd.File{Href: hrefOf(nevra), SHA256: rpm.Sha256, Size: rpm.Size, Time: rpm.BuildTime},
	})
	repo.rpmIDs, repo.builds = append(repo.rpmIDs, rpm.ID), append(repo.builds, rpm.BuildID)
	c.builds[rpm.BuildID] = true
	switch label := rpm.ModularityLabel; {
	case label == nil:
		c.unread[rpm.ID] = store.Blob{SHA256: rpm.Sha256, Size: rpm.Size}
	case *label != "":
		c.labels[rpm.ID] = *label
	}
}

// current is what a tag says now, all of it at one moment: a revision and the
// changes that made it are seen together or not at all. It is to be given to make,
// which closes the caches that were opened for it.
func (p *Publisher) current(ctx context.Context, tagID int64) (*content, error) {
	return p.atOnce(ctx, func(tx pgx.Tx) (*content, error) { return p.read(ctx, tx, tagID) })
}

// atOnce reads a content at one moment.
func (p *Publisher) atOnce(ctx context.Context, read func(pgx.Tx) (*content, error)) (c *content, err error) {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	do := func() error {
		err := pgx.BeginTxFunc(ctx, p.Pool, snapshot, func(tx pgx.Tx) error {
			c, err = read(tx)
			return err
		})
		if err != nil && c != nil {
			err = errors.Join(err, c.ahead.close())
		}
		return err
	}
	if err = do(); errors.Is(err, errUnsyncedKey) {
		if err = p.Signing.SyncKeys(ctx); err == nil {
			err = do()
		}
	}
	return c, err
}

func (p *Publisher) read(ctx context.Context, tx pgx.Tx, tagID int64) (_ *content, err error) {
	q := db.New(tx)
	tag, err := q.TagForPublish(ctx, tagID)
	if err != nil {
		return nil, fmt.Errorf("repopublish: read tag %d: %w", tagID, err)
	}
	if tag.Removed {
		return nil, errRemoved
	}
	ahead := p.openAhead(tag.ID, tag.Arches)
	given := false // not after a panic either
	defer func() {
		if !given {
			err = errors.Join(err, ahead.close())
		}
	}()
	reader := tagview.Reader{Conn: tx}
	builds, err := reader.LatestBuildIDs(ctx, tag.ID)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list builds of %s: %w", tag.Name, err)
	}
	groups, err := reader.Groups(ctx, tag.ID, true)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list groups of %s: %w", tag.Name, err)
	}
	comps, err := compsOf(groups)
	if err != nil {
		return nil, refuse(GateGroups, err)
	}
	c := newContent(tag.Arches)
	c.rev, c.ahead = tag.WantRev, ahead
	if err := c.readSettings(ctx, reader, tag.ID); err != nil {
		return nil, err
	}
	if c.closure != PolicyOff {
		if c.external, err = reader.ExternalRepos(ctx, tag.ID, true); err != nil {
			return nil, fmt.Errorf("repopublish: list external repositories of %s: %w", tag.Name, err)
		}
	}
	if err := p.readModules(ctx, reader, tag, c); err != nil {
		return nil, err
	}
	switch event, err := q.EventOfRev(ctx, db.EventOfRevParams{TagID: tag.ID, Rev: tag.WantRev}); {
	case err == nil:
		c.event = &event
	case !errors.Is(err, pgx.ErrNoRows):
		return nil, fmt.Errorf("repopublish: read events of %s: %w", tag.Name, err)
	}
	builds, err = p.onlySigned(ctx, q, c, builds, func(packages []int64) (map[int64][]int64, error) {
		return reader.Precedence(ctx, tag.ID, packages)
	})
	if err != nil {
		return nil, fmt.Errorf("repopublish: signatures of %s: %w", tag.Name, err)
	}
	rpms, err := packagesOf(ctx, q, builds)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list packages of %s: %w", tag.Name, err)
	}
	if err := whoHasTheName(ctx, q, tag.Name, rpms); err != nil {
		return nil, fmt.Errorf("repopublish: packages of one name in %s: %w", tag.Name, err)
	}
	p.addServed(c, tag.Name, rpms)
	for _, repo := range c.repos {
		repo.comps = comps
	}
	given = true
	return c, nil
}

// packagesOf are the packages of builds, those of older builds first.
func packagesOf(ctx context.Context, q *db.Queries, builds []int64) ([]db.RPMsOfBuildsRow, error) {
	rpms, err := q.RPMsOfBuilds(ctx, builds)
	slices.SortFunc(rpms, func(a, b db.RPMsOfBuildsRow) int {
		return cmp.Or(cmp.Compare(a.BuildID, b.BuildID), cmp.Compare(a.ID, b.ID))
	})
	return rpms, err
}

// addServed puts packages into the repositories of the architectures that they
// are for. Of those with one name, version, release and architecture the first is
// taken.
func (p *Publisher) addServed(c *content, tag string, rpms []db.RPMsOfBuildsRow) {
	byArch := map[string][]int{}
	for i, rpm := range rpms {
		if !rpm.Source {
			byArch[rpm.Arch] = append(byArch[rpm.Arch], i)
		}
	}
	for _, a := range c.arches {
		var wanted []int
		for pkgArch, some := range byArch {
			if arch.Serves(a, pkgArch) {
				wanted = append(wanted, some...)
			}
		}
		slices.Sort(wanted)
		repo := c.repos[a]
		repo.grow(len(wanted))
		there := make(map[fileName]bool, len(repo.items)+len(wanted))
		for _, item := range repo.items {
			there[fileName{item.Name, item.Version, item.Release, item.Arch}] = true
		}
		for _, i := range wanted {
			rpm := rpms[i]
			// Two builds have a package of one name: one stays, and the rest of the
			// tag must not wait for the mistake.
			if name := nameOf(rpm); there[name] {
				p.Logger.Warn("repopublish: package left out", "tag", tag, "package", name.String(), "build", rpm.BuildID, "reason", "another build has one of this name")
				continue
			} else {
				there[name] = true
			}
			c.add(a, rpm)
		}
	}
}

// past is what a generation consists of, for another one like it. The error is a
// *RefusedError where its tree is gone.
func (p *Publisher) past(ctx context.Context, tag db.TagForPublishRow, hold db.HoldRow) (*content, error) {
	c, err := p.atOnce(ctx, func(tx pgx.Tx) (*content, error) { return p.readPast(ctx, tx, tag, hold) })
	if err != nil {
		return nil, err
	}
	for a, repo := range c.repos {
		err := repo.readDocuments(filepath.Join(treeOf(p.ReposDir, hold.Directory, hold.Number), a))
		if errors.Is(err, fs.ErrNotExist) {
			// They don't come again by themselves.
			return nil, refuse(GateRollback, fmt.Errorf("files of generation %d, which %s is to go back to, are gone", hold.Number, tag.Name))
		}
		if err != nil {
			return nil, fmt.Errorf("repopublish: read generation %d: %w", hold.Number, err)
		}
	}
	return c, nil
}

// treeOf is where the tree of a generation is.
func treeOf(reposDir, directory string, number int64) string {
	return filepath.Join(reposDir, directory, strconv.FormatInt(number, 10))
}

// readDocuments reads what only a published repository has, from its directory.
func (repo *archContent) readDocuments(dir string) (err error) {
	if repo.comps, err = document(dir, "group"); err != nil {
		return err
	}
	if repo.modules, err = document(dir, "modules"); err != nil {
		return err
	}
	repo.index, err = readIndex(repo.modules)
	return err
}

// readPast is past without what only the tree has.
func (p *Publisher) readPast(ctx context.Context, tx pgx.Tx, tag db.TagForPublishRow, hold db.HoldRow) (*content, error) {
	q := db.New(tx)
	g, err := q.GenerationByID(ctx, hold.GenerationID)
	if err != nil {
		return nil, fmt.Errorf("repopublish: read generation %d: %w", hold.Number, err)
	}
	rpms, err := q.RPMsOfGeneration(ctx, g.ID)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list packages of generation %d: %w", g.Number, err)
	}
	c := newContent(g.Arches)
	c.rev, c.event, c.goesBack, c.actor, c.reason = g.Rev, g.Event, &g.ID, hold.Actor, hold.Reason
	// Clients know the keys of now.
	if err := c.readSettings(ctx, tagview.Reader{Conn: tx}, tag.ID); err != nil {
		return nil, err
	}
	held := make([]int64, len(rpms))
	for i, rpm := range rpms {
		held[i] = rpm.BuildID
	}
	slices.Sort(held)
	builds, err := p.onlySigned(ctx, q, c, slices.Compact(held), func(packages []int64) (map[int64][]int64, error) {
		if g.Event == nil { // Nobody knows what the tag said then.
			return nil, nil
		}
		return tagview.Reader{Conn: tx, At: tagview.At(*g.Event)}.Precedence(ctx, tag.ID, packages)
	})
	if err != nil {
		return nil, fmt.Errorf("repopublish: signatures of generation %d: %w", g.Number, err)
	}
	// Its requirements were looked at when it was made, and who goes back is in
	// need of it.
	c.closure = PolicyOff
	for _, rpm := range rpms {
		if c.repos[rpm.RepoArch] == nil || c.unsigned[rpm.BuildID] != nil {
			continue
		}
		c.add(rpm.RepoArch, db.RPMsOfBuildsRow{
			ID: rpm.ID, BuildID: rpm.BuildID, Name: rpm.Name, Epoch: rpm.Epoch, Version: rpm.Version, Release: rpm.Release, Arch: rpm.Arch,
			Source: rpm.Source, Sha256: rpm.Sha256, Size: rpm.Size, BuildTime: rpm.BuildTime, ModularityLabel: rpm.ModularityLabel,
		})
	}
	older := slices.DeleteFunc(builds, func(build int64) bool { return slices.Contains(held, build) })
	if len(older) == 0 {
		return c, nil
	}
	inPlace, err := packagesOf(ctx, q, older)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list packages for generation %d: %w", g.Number, err)
	}
	p.addServed(c, tag.Name, inPlace)
	return c, nil
}

// document reads a document of a repository that was published; nil for none.
func document(dir, kind string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open("repodata/repomd.xml")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	md, err := repomd.ReadRepomd(f)
	if err != nil {
		return nil, err
	}
	data, ok := md.Find(kind)
	if !ok {
		return nil, nil
	}
	opened, err := data.Open(root.FS())
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return io.ReadAll(opened)
}
