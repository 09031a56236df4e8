package remote

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/distbot/distbot/queue"
)

// FuzzExtract: whatever a tar says, nothing but files and directories appears,
// and nothing of it outside.
func FuzzExtract(f *testing.F) {
	for _, header := range []tar.Header{
		{Name: "sources/hello.spec", Typeflag: tar.TypeReg, Mode: 0o755, Size: 3},
		{Name: "../evil", Typeflag: tar.TypeReg, Size: 3},
		{Name: "dir/", Typeflag: tar.TypeDir},
		{Name: "link", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink},
	} {
		var text bytes.Buffer
		w := tar.NewWriter(&text)
		if err := w.WriteHeader(&header); err != nil {
			f.Fatal(err)
		}
		if header.Size > 0 {
			if _, err := w.Write([]byte("abc")); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(text.Bytes())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		outside := t.TempDir()
		dir := filepath.Join(outside, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = extract(bytes.NewReader(text), dir) // it may be right or wrong
		entries, err := os.ReadDir(outside)
		if err != nil || len(entries) != 1 {
			t.Errorf("outside are %v, %v", entries, err)
		}
		err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && !entry.Type().IsRegular() {
				t.Errorf("%s is a %s", path, entry.Type())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// FuzzMessages: whatever hosts and hubs say to one another is understood or
// refused.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"Arches":["x86_64"],"Capacity":2,"Driver":"rootfs"}`), 200)
	f.Add([]byte(`{"outcome":{"Driver":"rootfs","Installed":[{"NEVRA":"bash-5-1.x86_64"}]},"results":[{"Name":"a.rpm","Size":-1}]}`), 200)
	f.Add([]byte(`{"code":"failure","failure":{"Phase":"build","Reason":"no","Err":null}}`), 422)
	f.Add([]byte(`{"code":"lost_attempt"}`), 409)
	f.Fuzz(func(t *testing.T, text []byte, status int) {
		var info queue.HostInfo
		if json.Unmarshal(text, &info) == nil && checkInfo(info) == nil && (info.Capacity <= 0 || len(info.Arches) > maxNames) {
			t.Errorf("a host is taken that is %+v", info)
		}
		var finish finishMessage
		if json.Unmarshal(text, &finish) == nil && checkOutcome(finish.Outcome) == nil {
			for _, installed := range finish.Outcome.Installed {
				if queue.OneLine(installed.NEVRA) != installed.NEVRA || queue.OneLine(installed.Digest) != installed.Digest {
					t.Errorf("a package is taken that is %+q", installed)
				}
			}
		}
		var fail failMessage
		_ = json.Unmarshal(text, &fail) // it may be right or wrong
		if err := readProblem(&http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(text))}); err == nil {
			t.Error("an answer that is none is no error")
		}
	})
}
