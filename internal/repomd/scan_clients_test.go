package repomd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// parsers reads texts with expat and libxml2, and says for each what expat
// found in it and whether libxml2 accepts it. Of namespaces neither knows
// anything, as in clients.
const parsers = `
import base64, ctypes, ctypes.util, json, sys
from xml.parsers import expat
libxml2 = ctypes.CDLL(ctypes.util.find_library("xml2"))
libxml2.xmlReadMemory.restype = ctypes.c_void_p
libxml2.xmlReadMemory.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]
libxml2.xmlFreeDoc.argtypes = [ctypes.c_void_p]
NOERROR, NOWARNING, NONET = 32, 64, 2048
def events(text):
    found, p = [], expat.ParserCreate()
    p.ordered_attributes = p.buffer_text = True
    p.StartElementHandler = lambda name, attrs: found.append(["start", name] + attrs)
    p.EndElementHandler = lambda name: found.append(["end", name])
    p.CharacterDataHandler = lambda text: found.append(["text", text])
    try:
        p.Parse(text, True)
    except (expat.ExpatError, LookupError, ValueError):
        return None
    return found
def accepts(text):
    doc = libxml2.xmlReadMemory(text, len(text), None, None, NOERROR | NOWARNING | NONET)
    if doc:
        libxml2.xmlFreeDoc(doc)
    return bool(doc)
texts = [base64.b64decode(t) for t in json.load(sys.stdin)]
json.dump([{"expat": events(t), "libxml2": accepts(t)} for t in texts], sys.stdout)
`

// ofClients is what clients' parsers make of texts.
func ofClients(t *testing.T, texts [][]byte) (found []struct {
	Expat   [][]string
	Libxml2 bool
},
) {
	t.Helper()
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "python3"), "-c", parsers)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &found)
	}
	if err != nil || len(found) != len(texts) {
		t.Fatalf("%d of %d texts: %v\n%s", len(found), len(texts), err, stderr.Bytes())
	}
	return found
}

// format is what events returns of what expat found.
func format(found [][]string) string {
	var b, run strings.Builder
	for i, e := range found {
		switch kind, rest := e[0], e[1:]; kind {
		case "text":
			run.WriteString(rest[0])
			if i+1 == len(found) || found[i+1][0] != "text" {
				fmt.Fprintf(&b, "text %q\n", run.String())
				run.Reset()
			}
		case "end":
			fmt.Fprintf(&b, "end %s\n", local([]byte(rest[0])))
		default:
			fmt.Fprintf(&b, "start %s", local([]byte(rest[0])))
			for i := 1; i < len(rest); i += 2 {
				fmt.Fprintf(&b, " %s=%q", local([]byte(rest[i])), rest[i+1])
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// mutant is a text that was XML, or two.
func mutant(random *rand.Rand, of [][]byte) []byte {
	pieces := []string{
		"<", ">", "/", "=", `"`, "'", "&", ";", "!", "?", "-", "--", "[", "]]>", ":", " ", "\n", "\r\n", "\t", "x", "1", "<b>", "</b>", "<b/>", `b="c"`, ` b="c"`, "&lt;", "&#65;", "&x;",
		"<!--", "-->", "<!-- c -->", "<?p q?>", "<?xml version=\"1.0\"?>", "<![CDATA[", "<![CDATA[t]]>", "<!DOCTYPE a>", "\uFEFF", "ü", "\x01", "\xff", "\x00", "\uFFFE", "xml", "xmlns", "xmlns:r='u' ", "r:",
	}
	text := slices.Clone(of[random.IntN(len(of))])
	for range 1 + random.IntN(2) {
		from := random.IntN(len(text) + 1)
		to := from + random.IntN(min(len(text)-from, 6)+1)
		switch random.IntN(4) {
		case 0:
			text = slices.Delete(text, from, to)
		case 1:
			text = slices.Insert(text, from, slices.Clone(text[from:to])...)
		default:
			text = slices.Insert(text, from, []byte(pieces[random.IntN(len(pieces))])...)
		}
	}
	return text
}

// What the scanner accepts clients accept, and find the same in it.
func TestScannerAcceptsWhatClientsAccept(t *testing.T) {
	t.Parallel()
	var seeds [][]byte
	for _, text := range slices.Concat(scanned, refused, []string{primary(primaryPackage)}) {
		seeds = append(seeds, []byte(text))
	}
	texts, random := slices.Clone(seeds), rand.New(rand.NewPCG(20, 20))
	// What was XML becomes it again more often.
	whole := append(seeds[:len(scanned):len(scanned)], seeds[len(seeds)-1])
	for range 10_000 {
		texts = append(texts, mutant(random, whole))
	}
	accepted := 0
	for i, theirs := range ofClients(t, texts) {
		ours, err := events(bytes.NewReader(texts[i]), 1<<20)
		if err != nil {
			continue
		}
		accepted++
		if !theirs.Libxml2 || theirs.Expat == nil {
			t.Errorf("%q is accepted; by libxml2: %v, by expat: %v", texts[i], theirs.Libxml2, theirs.Expat != nil)
		} else if want := format(theirs.Expat); ours != want {
			t.Errorf("%q: found\n%swant\n%s", texts[i], ours, want)
		}
	}
	if accepted < 1000 {
		t.Errorf("only %d of %d texts were accepted: this shows little", accepted, len(texts))
	}
}
