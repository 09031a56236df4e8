package forge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/forge"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	secret := forge.Secret("hunter2hunter2")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "in", []forge.Secret{secret}, "of", struct{ S forge.Secret }{secret})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret, "in", []forge.Secret{secret}, "of", struct{ S forge.Secret }{secret})
	encoded, err := json.Marshal(map[string]any{"secret": secret, "in": []forge.Secret{secret}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(secret), fmt.Sprintf("%v %+v %#v %s %q %x", secret, secret, secret, secret, secret, secret),
		fmt.Errorf("wrapped: %v", secret).Error(), log.String(), string(encoded),
	} {
		for _, leak := range []string{"hunter2", "aHVudGVy", "68756e74", "104 117 110"} {
			if strings.Contains(text, leak) {
				t.Errorf("the secret shows in %q", text)
			}
		}
	}
}

func TestReadSecretFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, path := range map[string]string{
		"a line end":      write("lf", "s3cret\n", 0o600),
		"no line end":     write("bare", "s3cret", 0o400),
		"a CRLF line end": write("crlf", "s3cret\r\n", 0o640),
	} {
		if got, err := forge.ReadSecretFile(path); err != nil || string(got) != "s3cret" {
			t.Errorf("a secret with %s is %q, %v", name, []byte(got), err)
		}
	}
	for name, path := range map[string]string{
		"is missing":             filepath.Join(dir, "none"),
		"is a directory":         dir,
		"is empty":               write("empty", "", 0o600),
		"is a line end":          write("line", "\n", 0o600),
		"everyone may read":      write("open", "s3cret", 0o604),
		"is larger than allowed": write("large", strings.Repeat("x", 4097), 0o600),
	} {
		if _, err := forge.ReadSecretFile(path); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("ReadSecretFile of a file that %s = %v, want an error without the secret", name, err)
		}
	}
	t.Run("a token has no blanks", func(t *testing.T) {
		t.Parallel()
		if got, err := forge.TokenFile(write("token", "abc\n", 0o600))(); err != nil || got != "abc" {
			t.Errorf("token = %q, %v", got, err)
		}
		for _, bad := range []string{"q7 z9", "q7\nz9", "tökén", " q7z9"} {
			if _, err := forge.TokenFile(write("bad", bad, 0o600))(); err == nil || strings.Contains(err.Error(), bad) {
				t.Errorf("TokenFile of %q = %v, want an error without the token", bad, err)
			}
		}
	})
}
