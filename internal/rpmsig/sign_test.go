package rpmsig

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// signedAt is when the tests sign; keyMade is when their keys were made.
var (
	keyMade  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	signedAt = keyMade.Add(24 * time.Hour)
)

const spec = `
Name: hello
Epoch: 2
Version: 1.0~rc1
Release: 3
Summary: Says hello
License: MIT
Requires: (a or b)
%description
Says hello.
%install
mkdir -p %{buildroot}/usr/share/hello
echo hello > %{buildroot}/usr/share/hello/text
%post
true
%files
/usr/share/hello
%changelog
* Fri Jan 02 2026 A <a@example.org> - 2:1.0~rc1-3
- first
`

// packages are files of all the kinds that are signed.
func packages(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"made by another program": rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "packed", Version: "1", Release: "1", Arch: "noarch"}, nil),
	}
	for _, path := range rpmtest.Build(t, "x86_64", spec, nil, "--define", "_binary_payload w3.zstdio") {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		kind := "of binaries"
		if strings.HasSuffix(path, ".src.rpm") {
			kind = "of sources"
		}
		all[kind] = raw
		all[kind+", without reserved room"] = unreserved(t, raw)
	}
	return all
}

// unreserved is an RPM as it is where rpmbuild reserves no room.
func unreserved(t *testing.T, raw []byte) []byte {
	t.Helper()
	head := readHead(t, raw)
	all, err := head.values()
	if err != nil {
		t.Fatal(err)
	}
	var kept []value
	for _, v := range all {
		if v.tag != tagReserved {
			kept = append(kept, v)
		}
	}
	return copyWith(t, raw, marshal(kept))
}

func readHead(t *testing.T, raw []byte) *Head {
	t.Helper()
	head, err := ReadHead(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := head.Parse(); err != nil {
		t.Fatal(err)
	}
	return head
}

func copyWith(t *testing.T, raw, signatureHeader []byte) []byte {
	t.Helper()
	var to bytes.Buffer
	if err := Copy(t.Context(), &to, bytes.NewReader(raw), signatureHeader); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}

func newKey(t *testing.T, algorithm pgp.Algorithm) *pgp.PrivateKey {
	t.Helper()
	key, err := pgp.Generate(algorithm, "Test <test@example.org>", keyMade, 0)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign is the whole way: head, signature, signature header, copy.
func sign(t *testing.T, raw []byte, key *pgp.PrivateKey) []byte {
	t.Helper()
	head := readHead(t, raw)
	signature, err := key.Sign(head.Header(), signedAt)
	if err != nil {
		t.Fatal(err)
	}
	header, err := head.WithSignature(signature)
	if err != nil {
		t.Fatal(err)
	}
	return copyWith(t, raw, header)
}

// keyring is an RPM database that knows a key.
func keyring(t *testing.T, keys ...*pgp.PublicKey) string {
	t.Helper()
	dir := t.TempDir()
	for _, key := range keys {
		armored, err := key.Armored()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "key.asc")
		write(t, file, []byte(armored))
		if out, err := exec.Command(rpmtest.Tool(t, "rpmkeys"), "--dbpath", dir, "--import", file).CombinedOutput(); err != nil {
			t.Fatalf("rpmkeys --import: %v\n%s", err, out)
		}
	}
	return dir
}

// rpmkeys is what rpmkeys says of an RPM.
func rpmkeys(t *testing.T, db string, raw []byte) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "it.rpm")
	write(t, file, raw)
	cmd := exec.Command(rpmtest.Tool(t, "rpmkeys"), "--dbpath", db, "-Kv", "--define", "_pkgverify_level all", file)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// query is all that rpm tells of a package, without its signature header.
func query(t *testing.T, raw []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "it.rpm")
	write(t, file, raw)
	const format = `%{NEVRA} %{SUMMARY} %{BUILDTIME} %{SIZE} %{PAYLOADDIGEST} %{SIGMD5} %{SHA256HEADER}\n` +
		`[%{FILENAMES} %{FILEDIGESTS} %{FILEMODES:perms}\n][%{REQUIRES} %{REQUIREFLAGS} %{REQUIREVERSION}\n]%{POSTIN}\n[%{CHANGELOGTEXT}\n]`
	cmd := exec.Command(rpmtest.Tool(t, "rpm"), "--dbpath", t.TempDir(), "-qp", "--nosignature", "--qf", format, file)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("rpm -qp: %v", err)
	}
	return string(out)
}

func TestSignedPackage(t *testing.T) {
	t.Parallel()
	all := packages(t)
	for _, algorithm := range []pgp.Algorithm{pgp.Ed25519, pgp.RSA4096} {
		key := newKey(t, algorithm)
		db := keyring(t, key.PublicKey)
		for kind, raw := range all {
			t.Run(string(algorithm)+" signs a package "+kind, func(t *testing.T) {
				t.Parallel()
				signed := sign(t, raw, key)
				out, err := rpmkeys(t, db, signed)
				if err != nil || !strings.Contains(out, "Signature, key ID "+key.ID()+": OK") {
					t.Errorf("rpmkeys: %v\n%s", err, out)
				}
				before, after := readHead(t, raw), readHead(t, signed)
				if !bytes.Equal(raw[before.Size()-int64(len(before.header)):], signed[after.Size()-int64(len(after.header)):]) {
					t.Error("main header and payload changed")
				}
				if diff := cmp.Diff(query(t, raw), query(t, signed)); diff != "" {
					t.Errorf("rpm -qp (-unsigned +signed):\n%s", diff)
				}
				if !bytes.Equal(signed, sign(t, raw, key)) {
					t.Error("signing it once more gives other bytes")
				}
				if !bytes.Equal(signed, sign(t, signed, key)) {
					t.Error("signing what is signed gives other bytes")
				}
				verified, err := Verify(t.Context(), bytes.NewReader(signed), []*pgp.PublicKey{key.PublicKey}, signedAt)
				if err != nil || verified.Size != int64(len(signed)) || len(verified.By) != 1 || verified.By[0].Key != key.PublicKey || !verified.By[0].At.Equal(signedAt) {
					t.Errorf("Verify: %+v, %v", verified, err)
				}
			})
		}
	}
}

// TestLikeRPMSign gives rpmsign(8) the same packages and puts the signature it
// made into our header.
func TestLikeRPMSign(t *testing.T) {
	t.Parallel()
	all := packages(t)
	for _, algorithm := range []pgp.Algorithm{pgp.Ed25519, pgp.RSA4096} {
		key := newKey(t, algorithm)
		gpg := newGPG(t, key)
		for kind, raw := range all {
			t.Run(string(algorithm)+" and a package "+kind, func(t *testing.T) {
				t.Parallel()
				want := gpg.rpmsign(t, raw, key)
				signatures, err := readHead(t, want).Signatures()
				if err != nil || len(signatures) != 1 {
					t.Fatalf("signatures of rpmsign: %d, %v", len(signatures), err)
				}
				header, err := readHead(t, raw).WithSignature(signatures[0])
				if err != nil {
					t.Fatal(err)
				}
				// rpmsign writes the lead anew, which nobody reads: rpmpack's has
				// another name in it.
				if got := copyWith(t, raw, header); !bytes.Equal(got[leadSize:], want[leadSize:]) {
					t.Errorf("the copy differs from that of rpmsign: %d and %d bytes", len(got), len(want))
				}
			})
		}
	}
}

// gpg is a GnuPG home with a key.
type gpg struct{ home, passphrase string }

func newGPG(t *testing.T, key *pgp.PrivateKey) gpg {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop := exec.Command(rpmtest.Tool(t, "gpgconf"), "--homedir", home, "--kill", "all")
		if out, err := stop.CombinedOutput(); err != nil {
			t.Errorf("gpgconf --kill: %v\n%s", err, out)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	g := gpg{home: home, passphrase: filepath.Join(home, "passphrase")}
	write(t, g.passphrase, []byte("a long passphrase\n"))
	secret, err := key.Encrypted([]byte("a long passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, "key.asc")
	write(t, file, []byte(secret))
	cmd := exec.Command(rpmtest.Tool(t, "gpg"), "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase-file", g.passphrase, "--import", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gpg --import: %v\n%s", err, out)
	}
	return g
}

func (g gpg) rpmsign(t *testing.T, raw []byte, key *pgp.PrivateKey) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "it.rpm")
	write(t, file, raw)
	cmd := exec.Command(rpmtest.Tool(t, "rpmsign"), "--addsign",
		"--define", "__gpg "+rpmtest.Tool(t, "gpg"), "--define", "_gpg_name "+strings.ToUpper(key.Fingerprint), "--define", "_gpg_path "+g.home,
		"--define", "_gpg_sign_cmd_extra_args --batch --pinentry-mode loopback --passphrase-file "+g.passphrase, file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpmsign: %v\n%s", err, out)
	}
	signed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// TestShortNumbers signs until each of the two numbers of an EdDSA signature has
// begun with zeros, which OpenPGP leaves out: rpm has to fill them in.
func TestShortNumbers(t *testing.T) {
	t.Parallel()
	key := newKey(t, pgp.Ed25519)
	db := keyring(t, key.PublicKey)
	raw := pack(t)
	head := readHead(t, raw)
	// A signature whose numbers have 32 bytes each, and two of length.
	const whole, number = 119, 34
	tried := map[string]bool{}
	for n := 0; len(tried) < 2; n++ {
		signature, err := key.Sign(head.Header(), signedAt.Add(time.Duration(n)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if n > 100_000 {
			t.Fatalf("of %d signatures only %v are short", n, tried)
		}
		if len(signature) >= whole {
			continue
		}
		which := "second"
		if binary.BigEndian.Uint16(signature[whole-2*number:]) <= 248 {
			which = "first"
		}
		if tried[which] {
			continue
		}
		tried[which] = true
		header, err := head.WithSignature(signature)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := rpmkeys(t, db, copyWith(t, raw, header)); err != nil {
			t.Errorf("the %s number is short: %v\n%s", which, err, out)
		}
	}
}
