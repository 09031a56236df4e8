package forgetest

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/forge"
)

// hexMAC is an HMAC-SHA256 made without the code under test.
func hexMAC(body []byte, secret string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

func hexSHA1(body []byte, secret string) string {
	h := hmac.New(sha1.New, []byte(secret))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

func exerciseVerify(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Parallel()
	f := setup(t)
	const right = "the right secret"
	good := hexMAC(f.Push.Body, right)
	p := f.SignaturePrefix
	tests := []struct {
		name    string
		values  []string // of the primary header
		secrets []string
		want    error
	}{
		{"a right signature is accepted", []string{p + good}, []string{right}, nil},
		{"the second of two secrets is accepted", []string{p + good}, []string{"new", right}, nil},
		{"the first of two secrets is accepted", []string{p + good}, []string{right, "old"}, nil},
		{"uppercase digits are the same signature", []string{p + strings.ToUpper(good)}, []string{right}, nil},
		{"an empty secret beside the right one does no harm", []string{p + good}, []string{"", right}, nil},
		{"another secret is refused", []string{p + good}, []string{"wrong"}, forge.ErrUnauthenticated},
		{"no secret at all is refused", []string{p + good}, nil, forge.ErrUnauthenticated},
		{"an empty secret is refused", []string{p + hexMAC(f.Push.Body, "")}, []string{""}, forge.ErrUnauthenticated},
		{"a missing signature is refused", nil, []string{right}, forge.ErrUnauthenticated},
		{"an empty signature is refused", []string{""}, []string{right}, forge.ErrUnauthenticated},
		{"an empty signature and secret are refused", []string{p}, []string{""}, forge.ErrUnauthenticated},
		{"a prefix alone is refused", []string{p}, []string{right}, forge.ErrUnauthenticated},
		{"a signature of other bytes is refused", []string{p + hexMAC(append([]byte(" "), f.Push.Body...), right)}, []string{right}, forge.ErrUnauthenticated},
		{"a cut signature is refused", []string{p + good[:62]}, []string{right}, forge.ErrUnauthenticated},
		{"a longer signature is refused", []string{p + good + "00"}, []string{right}, forge.ErrUnauthenticated},
		{"digits that are not hex are refused", []string{p + "zz" + good[2:]}, []string{right}, forge.ErrUnauthenticated},
		{"blanks around it are refused", []string{p + " " + good}, []string{right}, forge.ErrUnauthenticated},
		{"another prefix is refused", []string{"sha512=" + good}, []string{right}, forge.ErrUnauthenticated},
		{"a SHA-1 is refused", []string{p + hexSHA1(f.Push.Body, right)}, []string{right}, forge.ErrUnauthenticated},
		{"a repeated header is refused", []string{p + good, p + good}, []string{right}, forge.ErrUnauthenticated},
		{"a bad header before a good one is refused", []string{p + good[1:] + "0", p + good}, []string{right}, forge.ErrUnauthenticated},
		{"two signatures in one header are refused", []string{p + good + "," + p + good}, []string{right}, forge.ErrUnauthenticated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			delivery := f.Push.With(f.SignatureHeader, tt.values...)
			if got := f.Forge.Verify(delivery.Header, delivery.Body, secrets(tt.secrets)); !same(got, tt.want) {
				t.Errorf("Verify = %v, want %v itself", got, tt.want)
			}
		})
	}
	t.Run("a good signature in another header never rescues", func(t *testing.T) {
		t.Parallel()
		for _, primary := range [][]string{{""}, {p + hexMAC(f.Push.Body, "wrong")}, {"garbage"}} {
			delivery := f.Push.With(f.SignatureHeader, primary...)
			for header, prefix := range f.OtherSignatures {
				delivery = delivery.With(header, prefix+good)
			}
			delivery = delivery.With("X-Hub-Signature", "sha1="+hexSHA1(f.Push.Body, right))
			if got := f.Forge.Verify(delivery.Header, delivery.Body, secrets([]string{right})); !same(got, forge.ErrUnauthenticated) {
				t.Errorf("Verify with primary %q = %v, want ErrUnauthenticated", primary, got)
			}
		}
	})
	t.Run("a SHA-1 signature alone is refused", func(t *testing.T) {
		t.Parallel()
		header := http.Header{"X-Hub-Signature": {"sha1=" + hexSHA1(f.Push.Body, right)}}
		if got := f.Forge.Verify(header, f.Push.Body, secrets([]string{right})); !same(got, forge.ErrUnauthenticated) {
			t.Errorf("Verify = %v, want ErrUnauthenticated", got)
		}
	})
}

// same reports whether got is want itself, not want with a reason around it.
func same(got, want error) bool {
	return errors.Is(got, want) && (got == nil || got.Error() == want.Error())
}

func secrets(values []string) []forge.Secret {
	var all []forge.Secret
	for _, value := range values {
		all = append(all, forge.Secret(value))
	}
	return all
}

func exerciseDelivery(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Parallel()
	f := setup(t)
	t.Run("a genuine delivery has an id and an event", func(t *testing.T) {
		t.Parallel()
		got, err := f.Forge.Delivery(f.Push.Header)
		want := forge.Delivery{ID: f.Push.Header.Get(f.DeliveryHeader), Event: "push"}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Delivery (-want +got), error %v:\n%s", err, diff)
		}
	})
	bad := map[string][]string{
		"missing":             nil,
		"empty":               {""},
		"repeated":            {"push", "push"},
		"too long":            {strings.Repeat("x", forge.MaxHeader+1)},
		"a line feed":         {"push\nlevel=error"},
		"a terminal sequence": {"push\x1b[31m"},
		"markup":              {"<script>"},
		"not ASCII":           {"püsh"},
	}
	for _, header := range []string{f.DeliveryHeader, f.EventHeader} {
		for name, values := range bad {
			t.Run(header+" that is "+name+" is malformed", func(t *testing.T) {
				t.Parallel()
				delivery := f.Push.With(header, values...)
				if _, err := f.Forge.Delivery(delivery.Header); !isMalformed(err) {
					t.Errorf("Delivery = %v, want *forge.MalformedError", err)
				}
				if _, err := f.Forge.Parse(delivery.Header, delivery.Body); !isMalformed(err) {
					t.Errorf("Parse = %v, want *forge.MalformedError", err)
				}
			})
		}
	}
}

func isMalformed(err error) bool {
	_, ok := errors.AsType[*forge.MalformedError](err)
	return ok
}

func isIgnored(err error) bool {
	_, ok := errors.AsType[*forge.IgnoredError](err)
	return ok
}
