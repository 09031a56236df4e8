package repopublish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

// signBuild has packages of a build signed whose names begin with prefix.
func (s *signed) signBuild(t *testing.T, build int64, key, prefix string) {
	t.Helper()
	for name, id := range s.rpmsOf(t, build) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if _, err := s.SignedCopy(t.Context(), id, key); err != nil {
			t.Fatal(err)
		}
	}
}

// versions makes so many builds of a package, versions 1, 2 and so on, whose
// commits begin with the nth.
func (s *signed) versions(t *testing.T, n int, name string, count int) []int64 {
	t.Helper()
	builds := make([]int64, count)
	for i := range builds {
		builds[i] = s.complete(t, n+i, name, fmt.Sprint(i+1), name+".x86_64", name+"-doc.noarch")
	}
	return builds
}

// wantVersion wants the repository of f37 to hold a version of a package, or
// nothing of it.
func (s *signed) wantVersion(t *testing.T, name, version string) {
	t.Helper()
	s.regenerate(t, s.dist.DestTag)
	s.settled(t)
	dir, err := s.latestOf("f37")
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := readRepo(filepath.Join(dir, "x86_64"))
	if err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(all, func(p string) bool { return !strings.HasPrefix(p, name+"-") })
	var want []string
	if version != "" {
		want = []string{name + "-" + version + "-1.x86_64", name + "-doc-" + version + "-1.noarch"}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the repository has %q of %s, want %q", got, name, want)
	}
}

// status is what the status of a build says.
func (s *signed) status(t *testing.T, build int64) string {
	t.Helper()
	return queuetest.Value[string](t, s.stage.Pool, "select state || ': ' || description from reports where build_id = $1 and context = 'distbot/f37'", build)
}

// announced says whether a build is marked published.
func (s *signed) announced(t *testing.T, build int64) bool {
	t.Helper()
	return queuetest.Value[bool](t, s.stage.Pool, "select published_at is not null from builds where id = $1", build)
}

func TestUnsignedContentDoesNotReachATagThatNeedsSignatures(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026")
	s.setExtra(t, NeedSignaturesExtra, `"y2026"`)
	good, bad := s.complete(t, 1, "good", "1", "good.x86_64", "good-doc.noarch"), s.complete(t, 2, "bad", "1", "bad.x86_64", "bad-doc.noarch")
	s.signBuild(t, good, "y2026", "")
	// One signature of two is none.
	s.signBuild(t, bad, "y2026", "bad-doc")
	s.tag(t, s.dist.DestTag, good)
	s.tag(t, s.dist.DestTag, bad)
	s.settled(t)
	s.wantPackages(t, "f37", "x86_64", "good-1-1.x86_64", "good-doc-1-1.noarch")
	want := "pending: bad-1-1 is not in the repository of f37, nor is another build of the package: bad-1-1.x86_64 has no signature by y2026"
	if got := s.status(t, bad); got != want {
		t.Errorf("the status says %q, want %q", got, want)
	}
	if s.announced(t, bad) || !s.announced(t, good) {
		t.Error("the build without signatures is marked published, or the other is not")
	}
	// Chains, and who waits with --wait-repo, wait for it.
	chain := queuetest.Value[int64](t, s.stage.Pool, "insert into chains (target, build_tag, dest_tag, owner, state) values ('f37', $1, $2, 'pat', 'OPEN') returning id", s.dist.BuildTag, s.dist.DestTag)
	queuetest.Exec(t, s.stage.Pool, "insert into chain_builds (chain_id, group_number, position, asked, build_id) values ($1, 1, 1, 'bad', $2)", chain, bad)
	wantInChain := func(there bool, kept string) {
		t.Helper()
		rows, err := db.New(s.stage.Pool).ChainBuilds(t.Context(), chain)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%v, %v", rows, err)
		}
		if rows[0].InDestRepo != there || rows[0].DestRepoKept != kept {
			t.Errorf("for the chain it is in the repository: %t, kept %q; want %t, %q", rows[0].InDestRepo, rows[0].DestRepoKept, there, kept)
		}
	}
	wantInChain(false, "f37 leaves out bad-1-1: bad-1-1.x86_64 has no signature by y2026")
	// Another generation changes nothing.
	s.regenerate(t, s.dist.DestTag)
	s.settled(t)
	if got := s.status(t, bad); got != want || s.announced(t, bad) {
		t.Errorf("after another generation the status says %q, want %q", got, want)
	}
	// What is published is what was signed.
	files, err := filepath.Glob(filepath.Join(s.ReposDir, "f37", "latest", "x86_64", "Packages", "y2026", "g", "*.rpm"))
	if err != nil || len(files) != 2 {
		t.Errorf("signed packages: %v, %v", files, err)
	}
	// Signed later, it gets there.
	s.signBuild(t, bad, "y2026", "")
	if err := PublishSigned(t.Context(), s.stage.Pool, s.Jobs); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	s.fresh(t)
	s.wantPackages(t, "f37", "x86_64", "good-1-1.x86_64", "good-doc-1-1.noarch", "bad-1-1.x86_64", "bad-doc-1-1.noarch")
	if got, want := s.status(t, bad), "success: bad-1-1 is in the repository of f37"; got != want || !s.announced(t, bad) {
		t.Errorf("once it is signed the status says %q, want %q", got, want)
	}
	wantInChain(true, "")
}

// TestWhatIsSignedStays holds what the repository of a tag that requires
// signatures has of a package whose newest build lacks them: what it would have
// if the builds without them were not tagged.
func TestWhatIsSignedStays(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026", "y2027")
	s.setExtra(t, NeedSignaturesExtra, `"y2026"`)
	f37 := s.dist.DestTag
	base, far := queuetest.Tag(t, s.stage.Pool, "base", "x86_64"), queuetest.Tag(t, s.stage.Pool, "far", "x86_64")
	queuetest.Inherit(t, s.stage.Pool, f37, base, 0)
	queuetest.Inherit(t, s.stage.Pool, f37, far, 10)
	// tag is where a build is tagged, one after the other; signed whether it is.
	type tagged struct {
		tag     int64
		version int
		signed  bool
	}
	tests := []struct {
		name   string // of the package
		why    string
		builds []tagged
		block  bool
		want   string
	}{
		{"newest", "the newest is signed", []tagged{{f37, 1, true}, {f37, 2, true}}, false, "2"},
		{"before", "the one before stays", []tagged{{f37, 1, true}, {f37, 2, false}}, false, "1"},
		{"several", "the newest of the signed ones stays behind many that are not", []tagged{
			{f37, 1, true}, {f37, 2, true}, {f37, 3, false}, {f37, 4, false}, {f37, 5, false}, {f37, 6, false}, {f37, 7, false},
		}, false, "2"},
		{"none", "nothing is signed", []tagged{{f37, 1, false}, {f37, 2, false}}, false, ""},
		{"order", "the order of tagging counts, not the version", []tagged{{f37, 3, true}, {f37, 1, true}, {f37, 2, false}}, false, "1"},
		{"parent", "a parent's stays", []tagged{{base, 1, true}, {f37, 2, false}}, false, "1"},
		{"own", "the tag's own comes before its parents', whatever was tagged last", []tagged{{f37, 1, true}, {f37, 3, false}, {base, 2, true}}, false, "1"},
		{"nearest", "the nearest parent's stays", []tagged{{f37, 3, false}, {base, 1, true}, {far, 2, true}}, false, "1"},
		{"farther", "a farther parent's stays where the nearest has nothing signed", []tagged{{far, 2, true}, {f37, 3, false}, {base, 1, false}}, false, "2"},
		{"twice", "a build that two tags have is one", []tagged{{base, 1, false}, {f37, 1, false}, {far, 2, true}}, false, "2"},
		{"blocked", "a blocked package has nothing that could stay", []tagged{{base, 1, true}, {base, 2, false}}, true, ""},
	}
	n := 0
	builds := map[string]map[int]int64{}
	for _, test := range tests {
		builds[test.name] = map[int]int64{}
		for _, b := range test.builds {
			if builds[test.name][b.version] == 0 {
				n++
				builds[test.name][b.version] = s.complete(t, n, test.name, fmt.Sprint(b.version), test.name+".x86_64", test.name+"-doc.noarch")
				if b.signed {
					s.signBuild(t, builds[test.name][b.version], "y2026", "")
				}
			}
			s.tag(t, b.tag, builds[test.name][b.version])
		}
		if test.block {
			queuetest.Exec(t, s.stage.Pool, `insert into tag_packages (tag_id, package_id, blocked, create_event) select $1, $2, true, max(id) from events`, f37, queuetest.Package(t, s.stage.Pool, test.name))
			queuetest.Exec(t, s.stage.Pool, `insert into tag_package_owners (tag_id, package_id, owner_id, create_event) select $1, $2, u.id, (select max(id) from events) from users u where name = 'distbot'`, f37, queuetest.Package(t, s.stage.Pool, test.name))
		}
	}
	for _, test := range tests {
		t.Run(test.why, func(t *testing.T) { s.wantVersion(t, test.name, test.want) })
	}
	for name, want := range map[string]map[int]string{
		"before":  {1: "", 2: "before-2-1 is not in the repository of f37, where before-1-1 stays: before-2-1.x86_64 has no signature by y2026"},
		"several": {6: "where several-2-1 stays", 7: "where several-2-1 stays"},
		"parent":  {2: "where parent-1-1 stays"},
		"none":    {2: "nor is another build of the package"},
		"newest":  {2: "newest-2-1 is in the repository of f37"},
	} {
		for version, text := range want {
			if got := s.status(t, builds[name][version]); !strings.Contains(got, text) {
				t.Errorf("the status of %s %d says %q, want %q", name, version, got, text)
			}
		}
	}
	// A signature by another key changes nothing, the right one does.
	s.signBuild(t, builds["before"][2], "y2027", "")
	s.wantVersion(t, "before", "1")
	s.signBuild(t, builds["before"][2], "y2026", "before-2")
	s.wantVersion(t, "before", "1")
	s.signBuild(t, builds["before"][2], "y2026", "")
	s.wantVersion(t, "before", "2")
	s.fresh(t)
}

// A generation that somebody goes back to has nothing newer than it held in the
// place of what lacks the signatures of now.
func TestGoingBackToUnsignedContent(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026", "y2027")
	hello := s.versions(t, 1, "hello", 3)
	other := s.versions(t, 11, "other", 1)
	s.tag(t, s.dist.DestTag, other[0])
	for _, build := range hello {
		s.tag(t, s.dist.DestTag, build)
		s.settled(t)
	}
	second := queuetest.Value[int64](t, s.stage.Pool, `select min(g.number) from repo_generations g join generation_rpms gr on gr.generation_id = g.id
		join rpms r on r.id = gr.rpm_id where g.tag_id = $1 and r.build_id = $2`, s.dist.DestTag, hello[1])
	queuetest.Exec(t, s.stage.Pool, `update repo_generations set event = (select create_event from tag_builds where build_id = $3)
		where tag_id = $1 and number = $2`, s.dist.DestTag, second, hello[1])
	s.signBuild(t, hello[0], "y2027", "")
	s.signBuild(t, hello[2], "y2027", "")
	s.setExtra(t, NeedSignaturesExtra, `"y2027"`)
	if _, err := GoBack(t.Context(), s.stage.Pool, s.Jobs, s.ReposDir, "f37", second, "pat", ""); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64", "hello-doc-1-1.noarch")

	// Of a generation whose event nobody has noted nothing but what it held is known.
	queuetest.Exec(t, s.stage.Pool, "update repo_generations set event = null where tag_id = $1 and number = $2", s.dist.DestTag, second)
	if _, err := GoBack(t.Context(), s.stage.Pool, s.Jobs, s.ReposDir, "f37", second, "pat", ""); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	s.wantPackages(t, "f37", "x86_64")
	s.signBuild(t, hello[1], "y2027", "")
	if _, err := GoBack(t.Context(), s.stage.Pool, s.Jobs, s.ReposDir, "f37", second, "pat", ""); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64", "hello-doc-2-1.noarch")
}

// The key that a repository is signed with may be needed by its fingerprint, also
// before anybody has asked for it.
func TestAKeyIsNeededByItsFingerprint(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026")
	keys, err := s.Signer.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.setExtra(t, SigningKeysExtra, `"y2026"`)
	s.setExtra(t, NeedSignaturesExtra, `"`+keys[0].Fingerprint+`"`)
	s.tag(t, s.dist.DestTag, s.versions(t, 1, "hello", 1)[0])
	s.settled(t)
	s.wantVersion(t, "hello", "1")
}

// TestDNFInstallsWhatStays asks for all to be signed, as clients do.
func TestDNFInstallsWhatStays(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026", "approved")
	s.setExtra(t, SigningKeysExtra, `"y2026"`)
	s.setExtra(t, NeedSignaturesExtra, `["y2026", "approved"]`)
	hello := s.versions(t, 1, "hello", 2)
	s.signBuild(t, hello[0], "approved", "")
	s.tag(t, s.dist.DestTag, hello[0])
	s.tag(t, s.dist.DestTag, hello[1])
	s.settled(t)
	public, err := s.PublicKeyFile(t.Context(), []string{"y2026"})
	if err != nil {
		t.Fatal(err)
	}
	install := func(want string) {
		t.Helper()
		dir, err := s.latestOf("f37")
		if err != nil {
			t.Fatal(err)
		}
		out, err := client(t, filepath.Join(dir, "x86_64"), public, "install", "hello")
		if err != nil || !strings.Contains(out, "Complete!") || !strings.Contains(out, want) {
			t.Errorf("%v, want %s\n%s", err, want, out)
		}
	}
	install("hello-1-1.x86_64")
	s.signBuild(t, hello[1], "approved", "")
	s.regenerate(t, s.dist.DestTag)
	s.settled(t)
	install("hello-2-1.x86_64")
}

// What a tag that only requires signatures publishes has that of the first key
// it names.
func TestWhatIsRequiredToBeSignedIsPublishedSigned(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026", "y2027")
	hello := s.versions(t, 1, "hello", 1)
	for _, key := range []string{"y2026", "y2027"} {
		s.signBuild(t, hello[0], key, "")
	}
	s.setExtra(t, NeedSignaturesExtra, `["`+s.public(t, "y2027").Fingerprint+`", "y2026"]`)
	s.tag(t, s.dist.DestTag, hello[0])
	s.settled(t)
	files, err := filepath.Glob(filepath.Join(s.ReposDir, "f37", "latest", "x86_64", "Packages", "y2027", "h", "*.rpm"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(raw)
		s.verifyBlob(t, store.Blob{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(raw))}, s.public(t, "y2027"))
	}
}

// statements counts what goes to the database, and can do something meanwhile.
type statements struct {
	mu    sync.Mutex
	n     int
	after func(sql string)
}

func (c *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return context.WithValue(ctx, c, data.SQL)
}

func (c *statements) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if sql, ok := ctx.Value(c).(string); ok && c.after != nil {
		c.after(sql)
	}
}

// traced is the publisher on connections of its own.
func (s *signed) traced(t *testing.T) (*Publisher, *statements) {
	t.Helper()
	config, count := s.stage.Pool.Config(), &statements{}
	config.ConnConfig.Tracer = count
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &Publisher{Pool: pool, Store: s.stage.Store, CacheDir: t.TempDir(), Signing: s.Signing, Logger: s.stage.Logger}, count
}

func TestQueriesForSignatures(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "y2026")
	queuetest.Exec(t, s.stage.Pool, "delete from tag_inheritance")
	for p := range 3 {
		builds := s.versions(t, 20*p+1, "pkg"+string(rune('a'+p)), 9)
		s.signBuild(t, builds[0], "y2026", "")
		for _, build := range builds {
			s.tag(t, s.dist.DestTag, build)
		}
	}
	p, count := s.traced(t)
	queries := func() int {
		t.Helper()
		count.n = 0
		c, err := p.current(t.Context(), s.dist.DestTag)
		if err != nil {
			t.Fatal(err)
		}
		closeAhead(t, c)
		return count.n
	}
	queries() // a connection learns about types
	without := queries()
	s.setExtra(t, NeedSignaturesExtra, `"y2026"`)
	// One that finds them missing, three for the order of builds (links, package
	// lists, builds), four rounds of 1, 2, 4 and 1 builds of each package, and what
	// they are called.
	if n := queries() - without; n > 9 {
		t.Errorf("%d more queries for three packages whose newest 8 of 9 builds lack a signature, want 9", n)
	}
	queuetest.Exec(t, s.stage.Pool, `update tag_builds tb set revoke_event = create_event from builds b where b.id = tb.build_id and b.version <> '1'`)
	if n := queries() - without; n != 1 {
		t.Errorf("%d more queries where nothing lacks a signature, want one", n)
	}
	s.setExtra(t, NeedSignaturesExtra, `[]`)
	if n := queries() - without; n != 0 {
		t.Errorf("%d more queries where none is required", n)
	}
}

// What stays is chosen at the moment at which the tag is read.
func TestWhatStaysIsOfOneMoment(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "y2026")
	queuetest.Exec(t, s.stage.Pool, "delete from tag_inheritance")
	s.setExtra(t, NeedSignaturesExtra, `"y2026"`)
	hello := s.versions(t, 1, "hello", 2)
	s.signBuild(t, hello[0], "y2026", "")
	s.tag(t, s.dist.DestTag, hello[0])
	s.tag(t, s.dist.DestTag, hello[1])
	rev := queuetest.Value[int64](t, s.stage.Pool, "select want_rev from tags where id = $1", s.dist.DestTag)
	p, count := s.traced(t)
	var once sync.Once
	count.after = func(sql string) {
		if strings.Contains(sql, "SignaturesOfBuilds") {
			once.Do(func() {
				queuetest.Exec(t, s.stage.Pool, "update tag_builds set revoke_event = create_event where build_id = $1", hello[0])
				s.regenerate(t, s.dist.DestTag)
			})
		}
	}
	c, err := p.current(t.Context(), s.dist.DestTag)
	if err != nil {
		t.Fatal(err)
	}
	closeAhead(t, c)
	if c.rev != rev || !c.builds[hello[0]] || c.builds[hello[1]] {
		t.Errorf("revision %d with builds %v, want revision %d with %d", c.rev, c.builds, rev, hello[0])
	}
	if c, err = p.current(t.Context(), s.dist.DestTag); err != nil || c.rev != rev+1 || len(c.builds) != 0 {
		t.Errorf("a moment later: revision %d with builds %v, %v", c.rev, c.builds, err)
	}
	closeAhead(t, c)
}

// closeAhead gives back what was opened for a content of which nothing is made.
func closeAhead(t *testing.T, c *content) {
	t.Helper()
	if err := c.ahead.close(); err != nil {
		t.Error(err)
	}
}
