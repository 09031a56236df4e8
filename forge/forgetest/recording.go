package forgetest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/distbot/distbot/forge"
)

// Recording is one delivery of a real forge.
type Recording struct {
	// Name is the file's path below testdata/webhooks/gitea or
	// testdata/webhooks.
	Name   string
	Header http.Header
	Body   []byte
}

// Signed returns the recording with this one more header, the signature of its
// body after prefix, in place of any it has under that name.
func (r Recording) Signed(header, prefix string, secret forge.Secret) Recording {
	return r.With(header, prefix+forge.Sign(r.Body, secret))
}

// With returns the recording with the header set to these values; none removes
// it.
func (r Recording) With(header string, values ...string) Recording {
	r.Header = r.Header.Clone()
	r.Header.Del(header)
	for _, value := range values {
		r.Header.Add(header, value)
	}
	return r
}

// Edit returns the recording with its body, a JSON object, changed by edit.
func (r Recording) Edit(tb testing.TB, edit func(body map[string]any)) Recording {
	tb.Helper()
	var body map[string]any
	// Numbers keep their digits.
	decoder := json.NewDecoder(bytes.NewReader(r.Body))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		tb.Fatalf("decode %s: %v", r.Name, err)
	}
	edit(body)
	changed, err := json.Marshal(body)
	if err != nil {
		tb.Fatalf("encode %s: %v", r.Name, err)
	}
	r.Body = changed
	return r
}

// GiteaOrigin is the address of the Gitea whose deliveries were recorded.
const GiteaOrigin = "http://127.0.0.1:13001"

// GiteaRecordings returns all recorded deliveries of a Gitea 1.26, with the
// headers and the exact bytes that were on the wire.
func GiteaRecordings(tb testing.TB) []Recording {
	tb.Helper()
	var all []Recording
	for _, file := range glob(tb, "gitea/*.json") {
		all = append(all, readGitea(tb, file))
	}
	return all
}

// GiteaRecording returns one of GiteaRecordings by name.
func GiteaRecording(tb testing.TB, name string) Recording {
	tb.Helper()
	return readGitea(tb, filepath.Join(webhooks(tb), "gitea", name))
}

func readGitea(tb testing.TB, file string) Recording {
	tb.Helper()
	var got struct {
		Headers map[string]string `json:"headers_as_on_wire"`
		Body    string            `json:"body_raw"`
	}
	decodeFile(tb, file, &got)
	r := Recording{Name: filepath.Base(file), Header: http.Header{}, Body: []byte(got.Body)}
	for name, value := range got.Headers {
		r.Header.Set(name, value)
	}
	return r
}

// AsForgejo returns what a Forgejo hook of type "forgejo" sends instead of the
// Gitea recording: X-Forgejo-* headers besides the same X-Gitea-* ones, no
// *-Hook-Installation-Target-Type, and full refs in create and delete. The
// result is derived, not recorded, and its signature is that of the body
// before.
func (r Recording) AsForgejo(tb testing.TB) Recording {
	tb.Helper()
	header := http.Header{}
	for name, values := range r.Header {
		if strings.HasSuffix(name, "-Hook-Installation-Target-Type") {
			continue
		}
		header[name] = values
		if suffix, ok := strings.CutPrefix(name, "X-Gitea-"); ok {
			header["X-Forgejo-"+suffix] = values
		}
	}
	r.Header = header
	switch r.Header.Get("X-Gitea-Event") {
	case "create", "delete":
		r = r.Edit(tb, func(body map[string]any) {
			prefix := "refs/heads/"
			if body["ref_type"] == "tag" {
				prefix = "refs/tags/"
			}
			body["ref"] = prefix + body["ref"].(string)
		})
	}
	return r
}

// GitHubExamples returns GitHub's example deliveries and those derived from
// them (see testdata/webhooks/README.md).
func GitHubExamples(tb testing.TB) []Recording {
	tb.Helper()
	var all []Recording
	for _, file := range append(glob(tb, "github/*/*.json"), glob(tb, "github-derived/*/*.json")...) {
		name, err := filepath.Rel(webhooks(tb), file)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, GitHubExample(tb, filepath.ToSlash(name)))
	}
	return all
}

// GitHubExample returns one of GitHubExamples by name. The examples have no
// headers: the event is the name of their folder, and the id is made from the
// file's.
func GitHubExample(tb testing.TB, name string) Recording {
	tb.Helper()
	body, err := os.ReadFile(filepath.Join(webhooks(tb), filepath.FromSlash(name)))
	if err != nil {
		tb.Fatal(err)
	}
	return Recording{
		Name: name,
		Header: http.Header{
			"Content-Type":      {"application/json"},
			"X-Github-Event":    {path.Base(path.Dir(name))},
			"X-Github-Delivery": {strings.ReplaceAll(name, "/", ".")},
		},
		Body: body,
	}
}

// Expectation is one line of a table of what the deliveries mean: the columns
// of testdata/webhooks/*.expected.tsv by name, without "-" ones.
type Expectation map[string]string

// Expectations reads the table for "gitea" or "github", by recording.
func Expectations(tb testing.TB, corpus string) map[string]Expectation {
	tb.Helper()
	f, err := os.Open(filepath.Join(webhooks(tb), corpus+".expected.tsv"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	table := csv.NewReader(f)
	table.Comma = '\t'
	lines, err := table.ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	all := make(map[string]Expectation)
	for _, line := range lines[1:] {
		e := Expectation{}
		for i, value := range line[1:] {
			if value != "-" {
				e[lines[0][i+1]] = value
			}
		}
		all[line[0]] = e
	}
	return all
}

func glob(tb testing.TB, pattern string) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(webhooks(tb), pattern))
	if err != nil || len(files) == 0 {
		tb.Fatalf("there are no recordings %s (%v)", pattern, err)
	}
	return files
}

// webhooks is testdata/webhooks at the module's root, which tests of any
// package find above their own folder.
func webhooks(tb testing.TB) string { return filepath.Join(Testdata(tb), "webhooks") }

// Testdata is the testdata folder at the module's root.
func Testdata(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		testdata := filepath.Join(dir, "testdata")
		if _, err := os.Stat(filepath.Join(testdata, "webhooks")); err == nil {
			return testdata
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		tb.Fatal("there is no testdata/webhooks above the working directory")
	}
}

func decodeFile(tb testing.TB, file string, into any) {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		tb.Fatalf("decode %s: %v", file, err)
	}
}

// Describe writes what Parse returned as the table does, as far as the table's
// line says anything; a reason need only contain what the line says.
func Describe(event forge.Event, err error, line Expectation) Expectation {
	if ignored, ok := errors.AsType[*forge.IgnoredError](err); ok {
		return outcomeWithReason("ignored", ignored.Reason, line)
	}
	if malformed, ok := errors.AsType[*forge.MalformedError](err); ok {
		return outcomeWithReason("malformed", malformed.Reason, line)
	}
	if err != nil {
		return Expectation{"outcome": "error: " + err.Error()}
	}
	got := Expectation{
		"outcome": string(event.Kind), "repository": event.Repository.FullName, "ref": event.Ref,
		"before": event.Before, "after": event.After, "sender": event.Sender,
	}
	if pr := event.PullRequest; pr != nil {
		got["pull_request"] = strconv.FormatInt(pr.Number, 10)
		got["head"], got["base"], got["head_repository"] = pr.Head, pr.BaseBranch, pr.HeadRepository.FullName
	}
	if event.Comment != nil {
		got["comment"] = strconv.FormatInt(event.Comment.ID, 10)
	}
	maps.DeleteFunc(got, func(_, value string) bool { return value == "" })
	return got
}

func outcomeWithReason(outcome, reason string, line Expectation) Expectation {
	if want, ok := strings.CutPrefix(line["outcome"], outcome+": "); ok && strings.Contains(reason, want) {
		return Expectation{"outcome": line["outcome"]}
	}
	return Expectation{"outcome": outcome + ": " + reason}
}
